package dev.kindling.profile;

import dev.kindling.device.Accumulation;
import dev.kindling.device.AdamWOp;
import dev.kindling.device.AttentionInputs;
import dev.kindling.device.CrossEntropy;
import dev.kindling.device.EmbeddingOp;
import dev.kindling.device.Fp8Ops;
import dev.kindling.device.FusedAttention;
import dev.kindling.device.Gelu;
import dev.kindling.device.Matmul;
import dev.kindling.device.Ops;
import dev.kindling.device.ResidualLayerNorm;
import dev.kindling.tensor.Tensor;
import java.util.Locale;

/** Operations that report to a {@link Profiler}. */
final class ProfiledOps implements Ops {
    /** Matches the {@link #name} of batched matrix products, which only MATH attention uses. */
    static final String BATCHED_PRODUCT = "matmul \\d+ x .*";

    private final Ops ops;
    private final Profiler profiler;
    private final FusedAttention flash;
    private final FusedAttention efficient;

    ProfiledOps(Ops ops, Profiler profiler) {
        this.ops = ops;
        this.profiler = profiler;
        this.flash = new ProfiledAttention("flash_attention", ops.flash(), profiler);
        this.efficient = new ProfiledAttention("efficient_attention", ops.efficient(), profiler);
    }

    @Override
    public void fill(Tensor x, float value) {
        profiler.time("fill", () -> ops.fill(x, value));
    }

    @Override
    public void normal(Tensor x, int site) {
        profiler.time("normal", () -> ops.normal(x, site));
    }

    @Override
    public void copy(Tensor from, Tensor to) {
        profiler.time("copy", () -> ops.copy(from, to));
    }

    @Override
    public void add(Tensor x, Tensor into) {
        profiler.time("add", () -> ops.add(x, into));
    }

    @Override
    public void sum(Tensor x, Tensor total) {
        profiler.time("sum", () -> ops.sum(x, total));
    }

    @Override
    public void sumRows(Tensor x, Tensor sums) {
        profiler.time("sum_rows", () -> ops.sumRows(x, sums));
    }

    @Override
    public void embedding(EmbeddingOp op, Tensor y) {
        profiler.time("embedding", () -> ops.embedding(op, y));
    }

    @Override
    public void embeddingBackward(EmbeddingOp op, Tensor dy, Tensor dTokenTable, Tensor dPositionTable) {
        profiler.time("embedding_backward", () -> ops.embeddingBackward(op, dy, dTokenTable, dPositionTable));
    }

    @Override
    public void residualLayerNorm(ResidualLayerNorm op) {
        profiler.time("residual_layernorm", () -> ops.residualLayerNorm(op));
    }

    @Override
    public void residualLayerNormBackward(ResidualLayerNorm op, ResidualLayerNorm.Gradients gradients) {
        profiler.time("residual_layernorm_backward", () -> ops.residualLayerNormBackward(op, gradients));
    }

    @Override
    public void accumulate(Accumulation op) {
        profiler.time("accumulate", () -> ops.accumulate(op));
    }

    @Override
    public void roundToBf16(Tensor x, Tensor residual) {
        profiler.time("round_to_bf16", () -> ops.roundToBf16(x, residual));
    }

    @Override
    public void matmul(Matmul op) {
        profiler.time(name(op), () -> ops.matmul(op));
    }

    /** The name of a product by its shape: M, N, K, with the number of products in front where it is a batch. */
    static String name(Matmul op) {
        String sizes = sizes(op);
        return op.c().shape().rank() == 2
                ? "matmul (" + sizes + ")"
                : String.format(
                        Locale.ROOT,
                        "matmul %d x (%s)",
                        (long) op.c().size(0) * op.c().size(1),
                        sizes);
    }

    private static String sizes(Matmul op) {
        return String.format(
                Locale.ROOT,
                "%d, %d, %d",
                op.c().size(-2),
                op.c().size(-1),
                op.a().size(-1));
    }

    @Override
    public void gelu(Gelu op, Tensor x, Tensor y) {
        profiler.time("gelu", () -> ops.gelu(op, x, y));
    }

    @Override
    public void geluBackward(Gelu op, Tensor x, Tensor dy, Tensor dx, Tensor dBias) {
        profiler.time("gelu_backward", () -> ops.geluBackward(op, x, dy, dx, dBias));
    }

    @Override
    public void matmulGelu(Matmul product, Gelu op, Tensor y) {
        if (ops.fusesGelu(product)) {
            profiler.time("matmul_gelu (" + sizes(product) + ")", () -> ops.matmulGelu(product, op, y));
        } else {
            Ops.super.matmulGelu(product, op, y);
        }
    }

    @Override
    public void matmulGeluBackward(Matmul product, Gelu op, Tensor x, Tensor dBias) {
        if (ops.fusesGelu(product)) {
            profiler.time(
                    "matmul_gelu_backward (" + sizes(product) + ")",
                    () -> ops.matmulGeluBackward(product, op, x, dBias));
        } else {
            Ops.super.matmulGeluBackward(product, op, x, dBias);
        }
    }

    @Override
    public boolean fusesGelu(Matmul product) {
        return ops.fusesGelu(product);
    }

    @Override
    public void crossEntropy(CrossEntropy op) {
        profiler.time("cross_entropy", () -> ops.crossEntropy(op));
    }

    @Override
    public void crossEntropyWithGradient(CrossEntropy op) {
        profiler.time("cross_entropy_with_gradient", () -> ops.crossEntropyWithGradient(op));
    }

    @Override
    public void attentionSoftmax(AttentionInputs inputs, Tensor scores, Tensor dropped) {
        profiler.time("attention_softmax", () -> ops.attentionSoftmax(inputs, scores, dropped));
    }

    @Override
    public void attentionSoftmaxBackward(AttentionInputs inputs, Tensor probabilities, Tensor dScores) {
        profiler.time("attention_softmax_backward", () -> ops.attentionSoftmaxBackward(inputs, probabilities, dScores));
    }

    @Override
    public Fp8Ops fp8() {
        return new ProfiledFp8(ops.fp8(), profiler);
    }

    @Override
    public FusedAttention flash() {
        return flash;
    }

    @Override
    public FusedAttention efficient() {
        return efficient;
    }

    @Override
    public void gradientNorm(Tensor gradients, float maxNorm) {
        profiler.time("gradient_norm", () -> ops.gradientNorm(gradients, maxNorm));
    }

    @Override
    public double[] squares(Tensor gradients) {
        double[][] squares = new double[1][];
        profiler.time("squares", () -> squares[0] = ops.squares(gradients));
        return squares[0];
    }

    @Override
    public void gradientNorm(double[] squares, float maxNorm) {
        profiler.time("gradient_norm", () -> ops.gradientNorm(squares, maxNorm));
    }

    @Override
    public void adamW(AdamWOp op) {
        profiler.time("adamw", () -> ops.adamW(op));
    }

    @Override
    public void nextMicroBatch() {
        profiler.time("next_micro_batch", ops::nextMicroBatch);
    }
}
