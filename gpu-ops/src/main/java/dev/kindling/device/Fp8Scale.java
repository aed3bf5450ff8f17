package dev.kindling.device;

import dev.kindling.tensor.Tensor;

/**
 * How a tensor is scaled into FP8: what is stored is value * scale.
 *
 * @param scale (1) F32
 * @param inverse (1) F32, 1 / scale
 * @param maximum (1) F32: the largest absolute value so far in this step; from those of past steps the next scale is made
 */
public record Fp8Scale(Tensor scale, Tensor inverse, Tensor maximum) {}
