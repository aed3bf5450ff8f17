/**
 * Flash attention on the CPU, in fp32: one worker, one head at a time.
 *
 * <p>In: query, key and value (B, H, T, D) or packed sequences. Out: the output and the log-sum-exp of each row
 * (forward), the three gradients (backward). {@link dev.kindling.device.cpu.flash.FlashTiles} are the small products
 * inside, in the Vector API or in plain Java.
 *
 * <p>Called by {@code device.cpu.CpuFlashAttention}, which gives each worker thread its own instance and its own heads
 * or rows.
 */
package dev.kindling.device.cpu.flash;
