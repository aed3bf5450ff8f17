/**
 * The command line, by picocli: a {@code *Command} for each command, {@code *Mixin}s for options that several share,
 * and what a failure prints.
 *
 * <p>In: arguments. Out: a record of {@code job.options}, handed to the {@link dev.kindling.job.command.Job} that the
 * command was made with; then an {@link dev.kindling.job.command.ExitCode}. Nothing here names a Spark class, so that
 * help works with the jar alone. Called by {@link dev.kindling.job.Kindling}'s one thread.
 */
package dev.kindling.job.command;
