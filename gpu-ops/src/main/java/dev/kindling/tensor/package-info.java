/**
 * Shaped views of device memory, and who owns that memory.
 *
 * <p>A {@link dev.kindling.tensor.Tensor} is an immutable view (shape, strides, offset) of a {@link
 * dev.kindling.tensor.Buffer}, which an {@link dev.kindling.tensor.Arena} of the device has allocated and frees.
 * Nothing is computed here; {@code dev.kindling.device.Ops} does that.
 *
 * <p>Everything above uses it, and each device has its own buffers and arenas. Starts no threads; tensors may be
 * shared, an arena is for one thread.
 */
package dev.kindling.tensor;
