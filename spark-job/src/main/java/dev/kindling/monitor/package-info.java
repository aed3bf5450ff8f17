/**
 * A training run in Spark's own monitoring: events in the event log, the tab "Training" of the Spark UI and of the
 * history server, and gauges in the metrics system.
 */
package dev.kindling.monitor;
