/**
 * A training run in Spark's own monitoring: events in the event log, the tab "Training" of the Spark UI and of the history
 * server, and gauges in the metrics system, which Prometheus and other sinks read.
 *
 * <p>In: what the driver's record of a training run learns of steps, generations and checkpoints, by {@link
 * dev.kindling.monitor.SparkMonitor}, from one thread at a time. It becomes events of bounded number and size on Spark's
 * listener bus; Spark's listener thread stores them, and the UI's threads draw the page from the store. In a history server
 * the same events are read from the log by {@link dev.kindling.monitor.TrainingHistoryPlugin}.
 */
package dev.kindling.monitor;
