package dev.kindling.device;

import dev.kindling.tensor.Tensor;

/**
 * One AdamW step (Loshchilov and Hutter, arXiv:1711.05101) over a flat range, with the learning rate, bias corrections
 * and clip scale of the step: g = clipScale gradient; m = beta1 m + (1-beta1) g; v = beta2 v + (1-beta2) g^2;
 * p -= lr (m / c1 / (sqrt(v / c2) + epsilon) + weightDecay p), without the last term from element {@code decaying} on.
 *
 * @param parameters (n) F32 master weights, updated
 * @param working (n) activation type, overwritten with the rounded weights; the same tensor as parameters under F32
 * @param gradients (n) F32, read
 * @param m (n) F32, updated
 * @param v (n) F32, updated
 * @param decaying how many of the n weights decay, from the first on
 */
public record AdamWOp(
        Tensor parameters,
        Tensor working,
        Tensor gradients,
        Tensor m,
        Tensor v,
        float beta1,
        float beta2,
        float epsilon,
        float weightDecay,
        long decaying) {}
