/**
 * What a configuration means on an executor. In come the sections of a {@link dev.kindling.config.TrainConfig}, Spark's
 * resources of the running task, and checkpoints; out go the model's shape ({@link dev.kindling.model.GptConfigs}), an open
 * device ({@link dev.kindling.model.ExecutorDevice}) and weights in the flat buffers of the device, or as the named tensors
 * of a checkpoint ({@link dev.kindling.model.ModelWeights}). A {@link dev.kindling.model.Snapshot} is the state of a training
 * on the device or in the host's memory outside of the heap; {@link dev.kindling.model.HostRoom} says whether it fits there.
 *
 * <p>Used by training and inference in executors, by the thread that runs the task; the driver uses the shape alone.
 */
package dev.kindling.model;
