/**
 * The checks of {@code doctor}: whether training would run on this cluster, and how well.
 *
 * <p>In: Spark's settings, how training would choose its device, the directory of runs. Out: {@link
 * dev.kindling.doctor.Finding}s, each with a verdict and a fix. {@link dev.kindling.doctor.DriverChecks} runs on the driver;
 * {@link dev.kindling.doctor.RankChecks} on every executor, as the body of a generation, on the task's thread. Only the
 * doctor's job calls them.
 */
package dev.kindling.doctor;
