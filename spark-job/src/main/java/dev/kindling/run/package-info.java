/**
 * What the directories of a command are: of a training run its files and who owns it, of results that they appear as a
 * whole.
 *
 * <p>In: a location as the user wrote it. Out: qualified paths and the files there; the owner marker and the lock that
 * keep a run to one training at a time. Called on the driver by the jobs, and by the ranks for the checkpoints. Starts no
 * threads; a hook releases the owner marker when the driver is ended.
 */
package dev.kindling.run;
