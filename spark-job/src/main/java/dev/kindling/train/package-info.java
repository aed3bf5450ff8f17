/**
 * Training on one executor. In come a {@link dev.kindling.config.TrainConfig}, a folder of shards and the checkpoint to
 * start from; out go checkpoints, a report of every step to the driver, and a {@link dev.kindling.train.TrainResult}.
 *
 * <p>{@link dev.kindling.train.TrainingBody} is what a generation runs on every rank: it opens device, shards and
 * checkpoints for the {@link dev.kindling.train.Trainer}, whose loop is: {@link dev.kindling.train.BatchSource} draws the
 * next step's batches, {@link dev.kindling.train.TrainStep} trains the {@link dev.kindling.train.Replica} on them, {@link
 * dev.kindling.train.Evaluation} measures the validation loss now and then, {@link dev.kindling.train.checkpoint} saves the
 * state. {@link dev.kindling.train.TrainingRecord} is the driver's side: it keeps what the ranks report.
 *
 * <p>A rank trains on the thread of its Spark task. Batches are prefetched on threads of their own, and rank 0 writes
 * checkpoints on another. The record is called by the coordinator's threads, one at a time.
 */
package dev.kindling.train;
