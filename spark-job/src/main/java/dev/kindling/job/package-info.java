/**
 * The commands: one {@code *Job} each, and the main class {@link dev.kindling.job.Kindling}, which parses the command
 * line and runs the job.
 *
 * <p>In: the options that {@code job.command} has parsed. Out: what the command prints, the directory that it was told
 * to write, and the exit code (0 done, 1 failure, 2 usage or configuration error). A job reads its options, opens Spark
 * through {@code session} where it needs it, and leaves the work to the package of its name ({@code train}, {@code
 * evaluate} ...).
 *
 * <p>Everything here runs on the driver's main thread, but for the watch that ends Spark jobs which cannot succeed.
 */
package dev.kindling.job;
