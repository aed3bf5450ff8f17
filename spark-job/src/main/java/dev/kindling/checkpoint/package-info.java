/**
 * Checkpoints: a run's weights, optimizer state and position on disk, from which it goes on as if it had never stopped.
 *
 * <p>In: a {@link dev.kindling.checkpoint.Checkpoint}, whose tensors are read a piece at a time from wherever they lie. Out: {@code
 * checkpoints/step-NNNNNNN/} with two safetensors files and {@code state.json}, which appears last, by a rename where the store
 * has one; every length and checksum is verified while it is read, into a {@link dev.kindling.checkpoint.TensorTarget}.
 *
 * <p>Rank 0 stages a checkpoint on an executor and the driver commits it; every rank, and every job that uses a model,
 * reads. Ranks that have lost their driver write what the next one commits ({@link dev.kindling.checkpoint.RescuedCheckpoints}).
 * Starts no threads; {@code train.checkpoint.CheckpointWriter} calls it on a thread of its own.
 */
package dev.kindling.checkpoint;
