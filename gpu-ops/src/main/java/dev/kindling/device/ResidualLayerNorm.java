package dev.kindling.device;

import dev.kindling.tensor.Tensor;

/**
 * residualOut = residualIn + dropout(branch + branchBias); y = (residualOut - mean) rstd weight + bias, over the last
 * dimension C, eps 1e-5 (Ba et al., arXiv:1607.06450). Rows N = B T. Overwrites residualOut, y, mean and rstd.
 *
 * @param residualIn (N, C)
 * @param branch (N, C), or null: then there is no addition and residualOut must be residualIn
 * @param branchBias (C) or null
 * @param residualOut (N, C); may be residualIn
 * @param weight (C)
 * @param bias (C) or null
 * @param y (N, C); null where it is made in FP8 alone, see {@link Fp8Ops#residualLayerNorm}
 * @param mean (N) F32
 * @param rstd (N) F32
 */
public record ResidualLayerNorm(
        Tensor residualIn,
        Tensor branch,
        Tensor branchBias,
        Dropout dropout,
        Tensor residualOut,
        Tensor weight,
        Tensor bias,
        Tensor y,
        Tensor mean,
        Tensor rstd) {
    public static final float EPSILON = 1e-5f;

    /**
     * Gradients of {@link ResidualLayerNorm}.
     *
     * @param dy (N, C), read
     * @param dResidual (N, C): {@code accumulate ? += : =} the layernorm's input gradient; on entry with accumulate it
     *     holds the gradient that arrives through the skip connection
     * @param accumulate false for the last layernorm, whose residual has no other user
     * @param dBranch (N, C), overwritten by dropout-masked dResidual; null where there is no branch or no active
     *     dropout (then dResidual itself is the branch's gradient)
     * @param dWeight (C) F32, +=
     * @param dBias (C) F32, +=, or null
     * @param dBranchBias (C) F32, +=, or null
     */
    public record Gradients(
            Tensor dy,
            Tensor dResidual,
            boolean accumulate,
            Tensor dBranch,
            Tensor dWeight,
            Tensor dBias,
            Tensor dBranchBias) {}
}
