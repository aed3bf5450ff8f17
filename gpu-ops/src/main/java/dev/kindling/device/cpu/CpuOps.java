package dev.kindling.device.cpu;

import dev.kindling.device.Accumulation;
import dev.kindling.device.AdamWOp;
import dev.kindling.device.AttentionInputs;
import dev.kindling.device.CrossEntropy;
import dev.kindling.device.EmbeddingOp;
import dev.kindling.device.FusedAttention;
import dev.kindling.device.Gelu;
import dev.kindling.device.Matmul;
import dev.kindling.device.Ops;
import dev.kindling.device.ResidualLayerNorm;
import dev.kindling.device.cpu.matmul.CpuMatmul;
import dev.kindling.device.cpu.rows.CpuLoops;
import dev.kindling.device.cpu.rows.CpuStep;
import dev.kindling.device.cpu.rows.CpuThreads;
import dev.kindling.device.cpu.rows.NormalValues;
import dev.kindling.tensor.Tensor;

/** The CPU's operations, each in a class of its own; they run at once, on the caller's thread and its workers. */
final class CpuOps implements Ops {
    private final CpuStep step;
    private final CpuCopy copy;
    private final CpuReduce reduce;
    private final CpuEmbedding embedding;
    private final CpuLayerNorm layerNorm;
    private final CpuMatmulOp matmul;
    private final CpuGelu gelu;
    private final CpuCrossEntropy crossEntropy;
    private final CpuAttentionSoftmax softmax;
    private final CpuFlashAttention flash;
    private final CpuEfficientAttention efficient = new CpuEfficientAttention();
    private final CpuAccumulation accumulation;
    private final CpuAdamW adamW;

    CpuOps(CpuThreads threads, CpuKernels kernels, CpuMatmul products, CpuStep step) {
        CpuLoops loops = new CpuLoops(threads, kernels.rows());
        this.step = step;
        copy = new CpuCopy(loops);
        reduce = new CpuReduce(loops);
        embedding = new CpuEmbedding(loops, step);
        layerNorm = new CpuLayerNorm(loops, step);
        matmul = new CpuMatmulOp(products);
        gelu = new CpuGelu(loops);
        crossEntropy = new CpuCrossEntropy(loops, step);
        softmax = new CpuAttentionSoftmax(loops, step);
        flash = new CpuFlashAttention(loops, step, kernels.tiles());
        accumulation = new CpuAccumulation(loops, step);
        adamW = new CpuAdamW(loops, step);
    }

    @Override
    public void fill(Tensor x, float value) {
        copy.fill(x, value);
    }

    @Override
    public void normal(Tensor x, int site) {
        copy.normal(x, new NormalValues(step, site));
    }

    @Override
    public void copy(Tensor from, Tensor to) {
        copy.copy(from, to);
    }

    @Override
    public void add(Tensor x, Tensor into) {
        copy.add(x, into);
    }

    @Override
    public void accumulate(Accumulation op) {
        accumulation.run(op);
    }

    @Override
    public void roundToBf16(Tensor x, Tensor residual) {
        copy.roundToBf16(x, residual);
    }

    @Override
    public void sum(Tensor x, Tensor total) {
        reduce.sum(x, total);
    }

    @Override
    public void sumRows(Tensor x, Tensor sums) {
        reduce.sumRows(x, sums);
    }

    @Override
    public void embedding(EmbeddingOp op, Tensor y) {
        embedding.forward(op, y);
    }

    @Override
    public void embeddingBackward(EmbeddingOp op, Tensor dy, Tensor dTokenTable, Tensor dPositionTable) {
        embedding.backward(op, dy, dTokenTable, dPositionTable);
    }

    @Override
    public void residualLayerNorm(ResidualLayerNorm op) {
        layerNorm.forward(op);
    }

    @Override
    public void residualLayerNormBackward(ResidualLayerNorm op, ResidualLayerNorm.Gradients gradients) {
        layerNorm.backward(op, gradients);
    }

    @Override
    public void matmul(Matmul op) {
        matmul.run(op);
    }

    @Override
    public void gelu(Gelu op, Tensor x, Tensor y) {
        gelu.forward(op, x, y);
    }

    @Override
    public void geluBackward(Gelu op, Tensor x, Tensor dy, Tensor dx, Tensor dBias) {
        gelu.backward(op, x, dy, dx, dBias);
    }

    @Override
    public void crossEntropy(CrossEntropy op) {
        crossEntropy.losses(op);
    }

    @Override
    public void crossEntropyWithGradient(CrossEntropy op) {
        crossEntropy.lossesAndGradient(op);
    }

    @Override
    public void attentionSoftmax(AttentionInputs inputs, Tensor scores, Tensor dropped) {
        softmax.forward(inputs, scores, dropped);
    }

    @Override
    public void attentionSoftmaxBackward(AttentionInputs inputs, Tensor probabilities, Tensor dScores) {
        softmax.backward(inputs, probabilities, dScores);
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
        clip(reduce.norm(gradients), maxNorm);
    }

    @Override
    public double[] squares(Tensor gradients) {
        return reduce.squares(gradients);
    }

    @Override
    public void gradientNorm(double[] squares, float maxNorm) {
        double sum = 0;
        for (double partial : squares) {
            sum += partial;
        }
        clip((float) Math.sqrt(sum), maxNorm);
    }

    private void clip(float norm, float maxNorm) {
        step.clip(norm, maxNorm == 0 ? 1f : Math.min(1f, maxNorm / (norm + 1e-6f)));
    }

    @Override
    public void adamW(AdamWOp op) {
        adamW.step(op);
    }

    @Override
    public void nextMicroBatch() {
        step.nextMicroBatch();
    }
}
