/**
 * The CPU's inner loops over rows of contiguous floats, and the threads that share them.
 *
 * <p>{@link dev.kindling.device.cpu.rows.RowKernels} has two implementations, {@link
 * dev.kindling.device.cpu.rows.VectorRows} in the Vector API and {@link dev.kindling.device.cpu.rows.ScalarRows} in
 * plain Java; {@link dev.kindling.device.cpu.rows.CpuVectors} decides once per JVM which one runs. {@link
 * dev.kindling.device.cpu.rows.CpuThreads} is the pool of worker threads of a device, {@link
 * dev.kindling.device.cpu.rows.CpuLoops} the way in which ops share their rows over it.
 *
 * <p>Called by the ops of {@code device.cpu}, by {@code matmul} and {@code flash}, and by the allreduce for its sums
 * and its rounding to bf16. The loops themselves run on the thread that calls them.
 */
package dev.kindling.device.cpu.rows;
