package dev.kindling.device;

/**
 * How a model computes. FP32: everything in float. BF16: activations and working weights bf16 with fp32 accumulation
 * and fp32 master weights on CUDA; on the CPU activations stay float and matrix products take bf16 inputs. FP8: as BF16, but
 * the products of the blocks' linear layers take e4m3 and, for gradients, e5m2 inputs when training; Hopper GPUs alone.
 */
public enum Precision {
    FP32,
    BF16,
    FP8
}
