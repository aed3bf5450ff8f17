/**
 * Trained models that only compute: loaded from a checkpoint once for each device of an executor, and shared by the tasks
 * that run on it one after another or side by side.
 *
 * <p>In: a checkpoint's directory and the device, precision and attention to use. Out: an {@link
 * dev.kindling.inference.InferenceModel}, from which {@code evaluate} makes a scorer and {@code generate} a writer of text;
 * on executors {@link dev.kindling.inference.ExecutorModels} keeps them. Task threads ask for a model; a daemon thread
 * closes one that no task has used for a while.
 */
package dev.kindling.inference;
