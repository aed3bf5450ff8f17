package dev.kindling.device;

import dev.kindling.tensor.Tensor;

/**
 * A device's operations: stateless functions over tensors, enqueued in order. Activations and their gradients are
 * overwritten (=), parameter gradients accumulate (+=) in F32; every sum has a fixed order, so equal inputs give equal
 * bits. Tensors are dense unless an op says otherwise. Errors: {@link IllegalArgumentException} naming the tensors when
 * shapes or types do not fit.
 */
public interface Ops {
    /**
     * The unit in which a device walks flat ranges. On the CPU a part that starts at a multiple of it gives the same bits
     * as within the whole range, in {@link #squares} and {@link #adamW}.
     */
    int BLOCK = 1 << 12;

    void fill(Tensor x, float value);

    /**
     * x = values of mean 0 and variance 1, all but normally distributed, by seed, stream and site alone: element e is (the
     * sum of four draws - 131070) sqrt(3) / 65535, rounded to x's type; its draws are those that {@link Dropout} numbers 4
     * (e % 2) to 4 (e % 2) + 3 of block e / 2.
     */
    void normal(Tensor x, int site);

    /** to = from, converting between floating types; same shape, {@code from} or {@code to} may be strided. */
    void copy(Tensor from, Tensor to);

    /** into += x; F32. */
    void add(Tensor x, Tensor into);

    void accumulate(Accumulation op);

    /**
     * x = bf16(x + residual), to nearest even; residual = x + residual - bf16(x + residual), exactly. F32, in place: what
     * rounding takes from one gradient is given to the next (Seide et al., Interspeech 2014; arXiv:1901.09847).
     */
    void roundToBf16(Tensor x, Tensor residual);

    /** total[0] += sum of x in a fixed order; F32. */
    void sum(Tensor x, Tensor total);

    /** sums (C) F32 += column sums of x (N, C): the gradient of a bias. */
    void sumRows(Tensor x, Tensor sums);

    /** y (N, C), overwritten. */
    void embedding(EmbeddingOp op, Tensor y);

    /** dTokenTable (V, C) and dPositionTable (T, C) F32, +=; dy (N, C) is read. */
    void embeddingBackward(EmbeddingOp op, Tensor dy, Tensor dTokenTable, Tensor dPositionTable);

    void residualLayerNorm(ResidualLayerNorm op);

    void residualLayerNormBackward(ResidualLayerNorm op, ResidualLayerNorm.Gradients gradients);

    void matmul(Matmul op);

    /** y (N, C), overwritten; may be x. */
    void gelu(Gelu op, Tensor x, Tensor y);

    /** dx (N, C), overwritten, may be dy; dBias (C) F32 += or null. */
    void geluBackward(Gelu op, Tensor x, Tensor dy, Tensor dx, Tensor dBias);

    /** The product, then y (N, C) = gelu of its result; overwrites both, in one pass where {@link #fusesGelu}. */
    default void matmulGelu(Matmul product, Gelu op, Tensor y) {
        matmul(product);
        gelu(op, product.c(), y);
    }

    /**
     * The product is the gradient of gelu(x + bias); overwrites its result by dx, the gradient of x, in one pass where
     * {@link #fusesGelu}. dBias (C) F32 += or null.
     */
    default void matmulGeluBackward(Matmul product, Gelu op, Tensor x, Tensor dBias) {
        matmul(product);
        geluBackward(op, x, product.c(), product.c(), dBias);
    }

    /** Do {@link #matmulGelu} and {@link #matmulGeluBackward} take this product in one pass? Decided by its tensors alone. */
    default boolean fusesGelu(Matmul product) {
        return false;
    }

    /** Losses alone; logits are kept. */
    void crossEntropy(CrossEntropy op);

    /**
     * Losses, and logits overwritten by (softmax(logits) - onehot(target)) lossScale (see {@link StepInputs}), 0 in
     * ignored rows and in the padding.
     */
    void crossEntropyWithGradient(CrossEntropy op);

    /**
     * MATH attention's middle: in place over scores (B, H, Tq, Tk) = q k^T (packed: (1, H, total, total)), probabilities
     * = softmax(scale scores + mask), 0 in rows that see nothing; {@code dropped}, if not null, = dropout(probabilities).
     */
    void attentionSoftmax(AttentionInputs inputs, Tensor scores, Tensor dropped);

    /**
     * dScores, holding the gradient of the dropped probabilities on entry, becomes the gradient of the scores before
     * scaling: scale P (dP - rowsum(P dP)).
     */
    void attentionSoftmaxBackward(AttentionInputs inputs, Tensor probabilities, Tensor dScores);

    /**
     * Operations of FP8 training.
     *
     * @throws UnsupportedOperationException unless the device's precision is FP8
     */
    default Fp8Ops fp8() {
        throw new UnsupportedOperationException("the device was not opened with precision FP8");
    }

    FusedAttention flash();

    FusedAttention efficient();

    /**
     * The step's gradient norm = sqrt(sum of squares) and clip scale = min(1, maxNorm / (norm + 1e-6)); maxNorm 0: 1.
     *
     * @param gradients F32 or BF16
     */
    void gradientNorm(Tensor gradients, float maxNorm);

    /** Partial sums of the squares of a range of the gradients, in order; waits for them. */
    double[] squares(Tensor gradients);

    /** The step's gradient norm and clip scale as {@link #gradientNorm(Tensor, float)}, from all partial sums in order. */
    void gradientNorm(double[] squares, float maxNorm);

    void adamW(AdamWOp op);

    /** Counts the dropout stream on by one; between micro-batches. */
    void nextMicroBatch();
}
