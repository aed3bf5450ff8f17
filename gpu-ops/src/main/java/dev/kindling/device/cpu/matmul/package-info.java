/**
 * Matrix products on heap arrays: C = alpha A B + addend.
 *
 * <p>In: a {@link dev.kindling.device.cpu.matmul.MatmulCall}, or one repeated over a batch of small matrices. Out: C,
 * overwritten or accumulated into. Four implementations of {@link dev.kindling.device.cpu.matmul.CpuMatmul}: fp32 in
 * the Vector API (packed panels and register tiles), fp32 in plain Java, and oneDNN in fp32 (where there is no AVX-512) and
 * with bf16 inputs.
 *
 * <p>Called by {@code device.cpu.CpuMatmulOp}; flash attention uses the register tiles. A product is shared over the
 * device's {@link dev.kindling.device.cpu.rows.CpuThreads}; several callers take turns.
 */
package dev.kindling.device.cpu.matmul;
