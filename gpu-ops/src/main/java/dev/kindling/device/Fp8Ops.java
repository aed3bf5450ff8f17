package dev.kindling.device;

import dev.kindling.tensor.Tensor;
import java.util.List;

/**
 * Operations of FP8 training (Micikevicius et al., arXiv:2209.05433), on GPUs that have FP8 tensor cores. Quantizing rounds
 * to nearest even; what is too large becomes the largest number, infinities become NaN. Rows and columns are multiples of
 * {@value #MULTIPLE}.
 */
public interface Fp8Ops {
    /** How many past steps a scale looks back on. */
    int HISTORY = 16;

    /** How far apart in floats inverse scales lie: products read each at a multiple of 16 bytes. */
    int SPACING = 4;

    /** What rows and columns are multiples of. */
    int MULTIPLE = 16;

    /** to = x (M, K), overwritten; the maximum of its scale grows to that of x. */
    void quantize(Tensor x, Fp8Matrix to);

    /** {@link #quantize(Tensor, Fp8Matrix)} of many matrices of one type, each to the one of the same place, in few passes. */
    void quantize(List<Tensor> x, List<Fp8Matrix> to);

    /** y = gelu(x + bias), x (M, K), which gelu'(x + bias) overwrites; otherwise as {@link #quantize}. */
    void gelu(Gelu op, Tensor x, Fp8Matrix y);

    /** {@link Ops#residualLayerNorm} whose y (N, C) E4M3 is made as by {@link #quantize}; that of op is null. */
    void residualLayerNorm(ResidualLayerNorm op, Fp8Matrix y);

    void matmul(Fp8Matmul op);

    /**
     * {@link Ops#crossEntropyWithGradient} that keeps the logits, (N, Vp) in the activation type, and makes their gradient as by
     * {@link #quantize}: dLogits (N, Vp) E5M2.
     */
    void crossEntropyWithGradient(CrossEntropy op, Fp8Matrix dLogits);

    /** What {@link #matmulGelu} leaves of x for the backward pass: the slope, or x, of which {@link #gelu} makes the slope. */
    enum Kept {
        SLOPE,
        X
    }

    /**
     * y = gelu(x + bias), where x = a b^T (M, N) is rounded to the activation type; otherwise as {@link #quantize}. In one pass,
     * with sums as in a {@link Fp8Matmul#fast} product.
     *
     * @param a (M, K) E4M3
     * @param b (N, K) E4M3
     * @param to (M, N) in the activation type, overwritten: gelu'(x + bias), or x
     */
    void matmulGelu(Fp8Matrix.Operand a, Fp8Matrix.Operand b, Gelu op, Kept kept, Tensor to, Fp8Matrix y);

    /**
     * dx = dy slope (M, N), where dy = a b^T is rounded to the activation type; otherwise as {@link #quantize}. dBias (N) F32 +=
     * or null. In one pass, with sums as in a {@link Fp8Matmul#fast} product.
     *
     * @param a (M, K) E5M2
     * @param b (N, K) E4M3
     * @param slope (M, N) in the activation type
     */
    void matmulGeluBackward(Fp8Matrix.Operand a, Fp8Matrix.Operand b, Tensor slope, Fp8Matrix dx, Tensor dBias);

    /**
     * The scales of all FP8 tensors of a model. Those of the coming step are made from {@code history}; a tensor without
     * one gets a guess, gradients by the step's loss scale.
     *
     * @param scale (n) F32
     * @param inverse (n, {@link #SPACING}) F32, of which the first column is used
     * @param maximum (n) F32
     * @param limit (n) F32: what the largest value of past steps becomes at most; more than 448 for gradients
     * @param history (n, {@link #HISTORY}) F32: the maxima of the last steps, the newest first; 0 for none
     */
    record Scales(Tensor scale, Tensor inverse, Tensor maximum, Tensor limit, Tensor history) {}

    /** Makes the scales of a step from the history and sets the maxima to 0. */
    void beginStep(Scales scales);

    /** Moves the step's maxima into the history. */
    void endStep(Scales scales);
}
