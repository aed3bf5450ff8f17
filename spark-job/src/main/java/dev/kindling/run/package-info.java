/**
 * The directories that a command writes: the run directory of a training, with its files and its owner, and directories
 * of results, which appear whole or not at all.
 *
 * <p>In: a location as the user wrote it. Out: qualified paths and the files there; the owner marker and the lock that
 * allow one training at a time. Called on the driver by the jobs, and by the ranks for the checkpoints. Starts no
 * threads; a shutdown hook removes the owner marker when the driver is ended.
 */
package dev.kindling.run;
