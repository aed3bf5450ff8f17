package dev.kindling.device.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.device.AdamWOp;
import dev.kindling.device.AttentionInputs;
import dev.kindling.device.CausalInputs;
import dev.kindling.device.CrossEntropy;
import dev.kindling.device.Dropout;
import dev.kindling.device.EmbeddingOp;
import dev.kindling.device.Gelu;
import dev.kindling.device.Matmul;
import dev.kindling.device.Ops;
import dev.kindling.device.OpsFixture;
import dev.kindling.device.Precision;
import dev.kindling.device.ResidualLayerNorm;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every op gives the same bits for every number of threads, and every time. */
class CpuDeterminismTest {
    private static final int ROWS = 387;
    private static final int WIDTH = 72;
    private static final Dropout DROPOUT = new Dropout(0.2f, 5);

    private final List<Tensor> results = new ArrayList<>();

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 5})
    void doesNotDependOnTheNumberOfThreads(int threads) {
        for (Supplier<CpuKernels> kernels : List.<Supplier<CpuKernels>>of(CpuKernels::vector, CpuKernels::scalar)) {
            double[][] alone = run(1, kernels.get());
            double[][] shared = run(threads, kernels.get());
            assertThat(shared).isDeepEqualTo(alone);
        }
    }

    @Test
    void doesNotDependOnTheCompilersProgress() {
        double[][] first = run(2, CpuKernels.vector());
        for (int i = 0; i < 20; i++) {
            assertThat(run(2, CpuKernels.vector())).isDeepEqualTo(first);
        }
    }

    private double[][] run(int threads, CpuKernels kernels) {
        results.clear();
        try (OpsFixture f = new OpsFixture(new CpuDevice(threads, Precision.FP32, kernels))) {
            rowOps(f);
            attention(f);
            optimizer(f);
            return results.stream().map(f::read).toArray(double[][]::new);
        }
    }

    private Tensor kept(Tensor tensor) {
        results.add(tensor);
        return tensor;
    }

    private void rowOps(OpsFixture f) {
        Ops ops = f.ops();
        Tensor x = f.floats(ROWS, WIDTH);
        Tensor dx = kept(f.floats(ROWS, WIDTH));
        Tensor dy = f.floats(ROWS, WIDTH);
        Gelu gelu = new Gelu(Gelu.Form.ERF, f.floats(WIDTH));
        ops.gelu(gelu, x, kept(f.floats(ROWS, WIDTH)));
        ops.geluBackward(gelu, x, dy, dx, kept(f.floats(WIDTH)));
        ops.sumRows(dx, kept(f.floats(WIDTH)));
        ops.sum(dx, kept(f.floats(1)));
        ResidualLayerNorm norm = new ResidualLayerNorm(
                x,
                f.floats(ROWS, WIDTH),
                f.floats(WIDTH),
                DROPOUT,
                kept(f.floats(ROWS, WIDTH)),
                f.floats(WIDTH),
                f.floats(WIDTH),
                kept(f.floats(ROWS, WIDTH)),
                kept(f.floats(ROWS)),
                kept(f.floats(ROWS)));
        ops.residualLayerNorm(norm);
        ops.residualLayerNormBackward(
                norm,
                new ResidualLayerNorm.Gradients(
                        dy,
                        dx,
                        true,
                        kept(f.floats(ROWS, WIDTH)),
                        kept(f.floats(WIDTH)),
                        kept(f.floats(WIDTH)),
                        kept(f.floats(WIDTH))));
        int[] tokens = f.random().ints(ROWS, 0, 7).toArray();
        EmbeddingOp embedding = new EmbeddingOp(
                f.integers(tokens), f.integers(tokens), f.floats(7, WIDTH), f.floats(7, WIDTH), DROPOUT, 0);
        ops.embedding(embedding, kept(f.floats(ROWS, WIDTH)));
        ops.embeddingBackward(embedding, dy, kept(f.floats(7, WIDTH)), kept(f.floats(7, WIDTH)));
        Tensor logits = kept(f.floats(ROWS, WIDTH));
        ops.crossEntropyWithGradient(new CrossEntropy(logits, f.integers(tokens), WIDTH, kept(f.floats(ROWS))));
        ops.matmul(Matmul.of(x.transpose(0, 1), dy, kept(f.floats(WIDTH, WIDTH)), true));
    }

    private void attention(OpsFixture f) {
        for (int heads : new int[] {1, 7}) {
            Tensor q = f.floats(1, heads, 131, 24);
            AttentionInputs inputs =
                    CausalInputs.of(q, f.floats(1, heads, 131, 24), f.floats(1, heads, 131, 24), DROPOUT);
            Tensor out = kept(f.floats(1, heads, 131, 24));
            Tensor lse = kept(f.floats(1, heads, 131));
            f.ops().flash().forward(inputs, out, lse);
            AttentionInputs.Gradients gradients = new AttentionInputs.Gradients(
                    f.floats(1, heads, 131, 24),
                    kept(f.floats(1, heads, 131, 24)),
                    kept(f.floats(1, heads, 131, 24)),
                    kept(f.floats(1, heads, 131, 24)));
            f.ops().flash().backward(inputs, out, lse, gradients);
            Tensor scores = kept(f.floats(1, heads, 131, 131));
            f.ops().attentionSoftmax(inputs, scores, kept(f.floats(1, heads, 131, 131)));
            f.ops().attentionSoftmaxBackward(inputs, scores, kept(f.floats(1, heads, 131, 131)));
        }
    }

    private void optimizer(OpsFixture f) {
        int count = 50_003;
        Tensor p = kept(f.floats(count));
        Tensor g = f.floats(count);
        Tensor v = kept(f.gaussian(DType.F32, 0, count));
        f.ops().gradientNorm(g, 1);
        f.ops().adamW(new AdamWOp(p, p, g, kept(f.floats(count)), v, 0, 0.9f, 0.99f, 1e-8f, 0.1f, count));
    }
}
