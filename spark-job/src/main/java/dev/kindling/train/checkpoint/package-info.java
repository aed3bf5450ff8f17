/**
 * What an executor does with the checkpoints of its training besides taking them: {@link
 * dev.kindling.train.checkpoint.CheckpointWriter} writes one beside training, on a thread of its own, {@link
 * dev.kindling.train.checkpoint.HeldCheckpoint} keeps the newest two in the host's memory for the next generation, and {@link
 * dev.kindling.train.checkpoint.Rescue} saves the last step of ranks that have lost their driver.
 */
package dev.kindling.train.checkpoint;
