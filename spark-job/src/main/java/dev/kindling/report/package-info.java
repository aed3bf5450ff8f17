/**
 * What was measured, for people and for programs: metrics files, progress, tables and charts.
 *
 * <p>In: the metrics of each step, or the measurements of {@code compare}. Out: {@code metrics.jsonl}, TensorBoard
 * event files, the progress bar, {@code report.json} and {@code report.html}, and the SVG charts that the Spark UI
 * shows as well.
 *
 * <p>Called on the driver by {@code train.TrainingRecord}, {@code compare} and {@code monitor}. Starts no threads;
 * writers are for one thread at a time, charts are immutable.
 */
package dev.kindling.report;
