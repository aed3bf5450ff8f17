/**
 * Scaled dot product attention: three backends and the dispatcher that picks one.
 *
 * <p>In: query, key and value tensors (B, H, T, D) with the options of PyTorch's {@code scaled_dot_product_attention}.
 * Out: the output (B, H, T, D) and, backward, the gradients of the three. MATH is composed of the device's matrix
 * products and softmax and runs everywhere; FLASH and EFFICIENT call the device's fused kernels. {@link
 * dev.kindling.attention.Sdpa#choose} takes the fastest backend that can run, and says why the others cannot.
 *
 * <p>Called by the attention layers in {@code nn}, and directly by the commands {@code attention} and {@code compare}.
 * Starts no threads; used by the thread that uses the device.
 */
package dev.kindling.attention;
