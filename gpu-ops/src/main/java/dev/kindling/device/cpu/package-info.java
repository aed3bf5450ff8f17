/**
 * The CPU as a {@link dev.kindling.device.Device}: heap {@code float[]}, the Vector API where the JVM has it and plain
 * Java elsewhere, oneDNN for bf16 matrix products.
 *
 * <p>In: the ops of {@code dev.kindling.device.Ops} on tensors of this device. Out: their results, complete when the
 * call returns; there is no queue. Each op is a class ({@code CpuGelu}, {@code CpuLayerNorm}) that walks rows or
 * blocks; the loops inside are in {@code rows}, matrix products in {@code matmul}, flash attention's tiles in {@code
 * flash}.
 *
 * <p>Opened by {@code model.ExecutorDevice} on executors and {@code session.DriverDevice} on the driver. An op is
 * shared between the calling thread and the device's worker threads ({@link dev.kindling.device.cpu.rows.CpuThreads});
 * the order of every sum is fixed, so results do not depend on how many there are.
 */
package dev.kindling.device.cpu;
