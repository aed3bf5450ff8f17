package dev.kindling.device.cuda;

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
import dev.kindling.device.Precision;
import dev.kindling.device.ResidualLayerNorm;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Optional;

/** The operations on a GPU: each hands its tensors to the class of its kernel file. */
final class CudaOps implements Ops, AutoCloseable {
    private final CudaElementwise elementwise;
    private final CudaRounding rounding;
    private final CudaEmbedding embedding;
    private final CudaLayerNorm layerNorm;
    private final CudaMatmul matmul;
    private final CudaGelu gelu;
    private final CudaMatmulGelu matmulGelu;
    private final Optional<CudaFp8> fp8;
    private final CudaCrossEntropy crossEntropy;
    private final CudaAttentionSoftmax softmax;
    private final CudaFlashAttention flash;
    private final CudaEfficientAttention efficient;
    private final CudaOptimizer optimizer;

    CudaOps(CudaContext context, CudaDevice.Options options) {
        elementwise = new CudaElementwise(context);
        rounding = new CudaRounding(context, context.stream());
        embedding = new CudaEmbedding(context);
        layerNorm = new CudaLayerNorm(context);
        matmul = new CudaMatmul(context, options.tf32(), elementwise::copy);
        gelu = new CudaGelu(context);
        matmulGelu = new CudaMatmulGelu(context, gelu, options.wgmma());
        crossEntropy = new CudaCrossEntropy(context, elementwise);
        fp8 = options.precision() == Precision.FP8
                ? Optional.of(new CudaFp8(context, gelu, layerNorm, crossEntropy))
                : Optional.empty();
        softmax = new CudaAttentionSoftmax(context);
        flash = new CudaFlashAttention(context, elementwise, options.wgmma());
        efficient = new CudaEfficientAttention(context, options.tf32(), elementwise);
        optimizer = new CudaOptimizer(context);
    }

    @Override
    public void fill(Tensor x, float value) {
        elementwise.fill(x, value);
    }

    @Override
    public void normal(Tensor x, int site) {
        elementwise.normal(x, site);
    }

    @Override
    public void copy(Tensor from, Tensor to) {
        elementwise.copy(from, to);
    }

    @Override
    public void add(Tensor x, Tensor into) {
        elementwise.add(x, into);
    }

    @Override
    public void accumulate(Accumulation op) {
        optimizer.accumulate(op);
    }

    @Override
    public void roundToBf16(Tensor x, Tensor residual) {
        rounding.round(DType.BF16, x, residual, x);
    }

    @Override
    public void sum(Tensor x, Tensor total) {
        elementwise.sum(x, total);
    }

    @Override
    public void sumRows(Tensor x, Tensor sums) {
        elementwise.sumRows(x, sums);
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
    public void matmulGelu(Matmul product, Gelu op, Tensor y) {
        if (matmulGelu.takes(product)) {
            matmulGelu.forward(product, op, y);
        } else {
            Ops.super.matmulGelu(product, op, y);
        }
    }

    @Override
    public void matmulGeluBackward(Matmul product, Gelu op, Tensor x, Tensor dBias) {
        if (matmulGelu.takes(product)) {
            matmulGelu.backward(product, op, x, dBias);
        } else {
            Ops.super.matmulGeluBackward(product, op, x, dBias);
        }
    }

    @Override
    public boolean fusesGelu(Matmul product) {
        return matmulGelu.takes(product);
    }

    @Override
    public void crossEntropy(CrossEntropy op) {
        crossEntropy.loss(op);
    }

    @Override
    public void crossEntropyWithGradient(CrossEntropy op) {
        crossEntropy.lossWithGradient(op);
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
    public Fp8Ops fp8() {
        return fp8.isPresent() ? fp8.get() : Ops.super.fp8();
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
        optimizer.gradientNorm(gradients, maxNorm);
    }

    @Override
    public double[] squares(Tensor gradients) {
        return optimizer.squares(gradients);
    }

    @Override
    public void gradientNorm(double[] squares, float maxNorm) {
        optimizer.gradientNorm(squares, maxNorm);
    }

    @Override
    public void adamW(AdamWOp op) {
        optimizer.adamW(op);
    }

    @Override
    public void nextMicroBatch() {
        optimizer.nextMicroBatch();
    }

    @Override
    public void close() {
        fp8.ifPresent(CudaFp8::close);
        matmul.close();
    }
}
