/**
 * The Spark application that a job runs in: its settings, its start and its end.
 *
 * <p>In: the user's Spark settings, the number of executors that a job wants, the GPUs of this host. Out: a running session,
 * which the job closes. Every job that needs Spark calls {@link dev.kindling.session.SparkSessions} once, on the driver's
 * main thread; {@link dev.kindling.session.SparkSettings} is the only place that sets Spark's configuration, {@link
 * dev.kindling.session.KryoRegistrations} names what Spark may serialise. {@link dev.kindling.session.DriverDevice} is for
 * commands that compute on the driver.
 */
package dev.kindling.session;
