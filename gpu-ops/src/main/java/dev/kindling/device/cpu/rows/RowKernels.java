package dev.kindling.device.cpu.rows;

import dev.kindling.device.Gelu;

/**
 * Loops over contiguous floats: {@code x, xAt} is the array and index of the first element, {@code n} the count. Results
 * may be written over inputs of the same index. The order of sums is fixed by n.
 */
public interface RowKernels {
    /** into += x. */
    void add(float[] x, int xAt, float[] into, int at, int n);

    /** y = a + b. */
    void sum(float[] a, int aAt, float[] b, int bAt, float[] y, int yAt, int n);

    /** y = factor x. */
    void scale(float[] x, int xAt, float factor, float[] y, int yAt, int n);

    /** y = a b. */
    void multiply(float[] a, int aAt, float[] b, int bAt, float[] y, int yAt, int n);

    float total(float[] x, int at, int n);

    /** Sum of (x - center)^2. */
    float squares(float[] x, int at, int n, float center);

    float dot(float[] a, int aAt, float[] b, int bAt, int n);

    /** The largest, -infinity of none. */
    float max(float[] x, int at, int n);

    /** y = exp(factor x - shift), 0 below the smallest normal float; returns the sum. */
    float exponentials(float[] x, int xAt, float factor, float shift, float[] y, int yAt, int n);

    /** dp = factor p (dp - center). */
    void softmaxGradient(float[] p, int pAt, float[] dp, int at, float center, float factor, int n);

    /** y = gelu(x + bias); bias may be null. */
    void gelu(Gelu.Form form, float[] x, int xAt, float[] bias, int biasAt, float[] y, int yAt, int n);

    /** dx = dy gelu'(x + bias); bias may be null. */
    void geluGradient(GeluRow row, float[] dy, int dyAt, float[] dx, int dxAt, int n);

    /** Where {@link #geluGradient} finds its input. */
    @SuppressWarnings("ArrayRecordComponent") // a view that nobody compares
    record GeluRow(Gelu.Form form, float[] x, int xAt, float[] bias, int biasAt) {}

    /** y = (x - mean) rstd weight + bias; bias may be null. */
    void normalize(NormalizedRow row, float[] bias, int biasAt, float[] y, int yAt, int n);

    /**
     * dx = (or += with accumulate) the gradient of {@link #normalize} towards x; dWeight += dy (x - mean) rstd;
     * dBias += dy, unless null.
     */
    void normalizeGradient(NormalizedRow row, NormalizedGradient gradient, int n);

    /** A row of layernorm's input with its statistics and the weight. */
    @SuppressWarnings("ArrayRecordComponent") // a view that nobody compares
    record NormalizedRow(float[] x, int xAt, float mean, float rstd, float[] weight, int weightAt) {}

    /** Gradients of {@link NormalizedRow}; dWeight and dBias lie in {@code sums}, dBias at -1 is not wanted. */
    @SuppressWarnings("ArrayRecordComponent") // a view that nobody compares
    record NormalizedGradient(
            float[] dy, int dyAt, float[] dx, int dxAt, boolean accumulate, float[] sums, int dWeightAt, int dBiasAt) {}

    /** x = bf16(x + residual), to nearest even; residual = x + residual - bf16(x + residual). */
    void roundToBf16(float[] x, int xAt, float[] residual, int at, int n);

    /** y = the bits of bf16(x), to nearest even. An infinity or a quiet NaN stays one. */
    void toBf16(float[] x, int xAt, short[] y, int yAt, int n);

    /** y = the values of the bits x. */
    void fromBf16(short[] x, int xAt, float[] y, int yAt, int n);

    /** One AdamW step over elements {@code at .. at+n-1} counted from the tensors' starts. */
    void adamW(AdamWArrays arrays, int at, int n);

    /** Arrays, their offsets, and the step's constants, see {@link dev.kindling.device.AdamWOp}. */
    @SuppressWarnings("ArrayRecordComponent") // a view that nobody compares
    record AdamWArrays(
            float[] p,
            int pAt,
            float[] g,
            int gAt,
            float[] m,
            int mAt,
            float[] v,
            int vAt,
            float beta1,
            float beta2,
            float epsilon,
            float gradientScale,
            float stepSize,
            float rootCorrection,
            float decay) {}
}
