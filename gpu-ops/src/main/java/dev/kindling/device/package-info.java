/**
 * What a processor offers to a model: memory, operations, and the compiled step.
 *
 * <p>In: tensors of {@code tensor}, and a record an operation that says what to compute ({@link
 * dev.kindling.device.Matmul}, {@link dev.kindling.device.AttentionInputs}, ...). Out: tensors in the same device's memory;
 * values reach the host by {@link dev.kindling.device.Device#download} or {@link dev.kindling.device.Readback}. {@link
 * dev.kindling.device.Device} and {@link dev.kindling.device.Ops} have two implementations, {@code device.cpu} and {@code
 * device.cuda}; {@link dev.kindling.device.TensorChecks} holds what both ask of their tensors.
 *
 * <p>Called by {@code nn}, {@code optim}, {@code attention} and {@code profile}; opened by the commands and the executors. A
 * device is used by one thread at a time, not always the same.
 */
package dev.kindling.device;
