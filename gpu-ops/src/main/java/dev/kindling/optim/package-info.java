/**
 * What turns gradients into new weights: the learning rate schedule, clipping by the global norm, and AdamW.
 *
 * <p>In: the flat gradients of {@code nn.Parameters}, summed over all ranks. Out: updated weights and moments, in place
 * on the device. Called once a step by {@code train.TrainStep}, through {@code exchange.WeightUpdate}. Starts no
 * threads.
 */
package dev.kindling.optim;
