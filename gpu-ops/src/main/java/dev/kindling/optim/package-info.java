/**
 * What turns gradients into new weights: the learning rate schedule, clipping by the global norm, and AdamW.
 *
 * <p>In: the flat gradients of {@code nn.Parameters}, summed over all ranks. Out: updated weights and moments, in place
 * on the device. Called once per step by {@code train.TrainStep}, the clip through {@code exchange.GradientExchange},
 * which knows whether the norm has to be summed over the ranks. Starts no threads.
 */
package dev.kindling.optim;
