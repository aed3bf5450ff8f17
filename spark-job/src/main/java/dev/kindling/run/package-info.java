/**
 * What a run directory is: its path, the lock that keeps it to one training at a time, the driver's log in it, and
 * {@code summary.json}.
 *
 * <p>In: a location as the user wrote it. Out: qualified paths and the files there. Called on the driver by the jobs.
 * Starts no threads.
 */
package dev.kindling.run;
