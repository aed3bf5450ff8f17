/**
 * The work of {@code compare}: times the training step with each attention backend, on all executors at once. In come a
 * {@link dev.kindling.config.TrainConfig}, a {@link dev.kindling.compare.ComparisonPlan} of what to vary, and a folder of
 * shards; out go a {@link dev.kindling.report.RankMeasurement} from every rank, which the driver collects for its report
 * ({@link dev.kindling.compare.MeasurementCollector}, {@link dev.kindling.compare.ComparisonDescription}).
 *
 * <p>{@link dev.kindling.compare.ComparisonBody} runs on every rank, on the thread of its Spark task; {@link
 * dev.kindling.compare.BackendComparison} lets the backends take turns, each a {@link dev.kindling.compare.BackendTrial}
 * that stays on the device. The driver's side is called by {@code CompareJob} and by the coordinator's threads.
 */
package dev.kindling.compare;
