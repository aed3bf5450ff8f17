package dev.kindling.device.cuda;

import dev.kindling.device.CrossEntropy;
import dev.kindling.device.Fp8Matmul;
import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Fp8Ops;
import dev.kindling.device.Gelu;
import dev.kindling.device.ResidualLayerNorm;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.ToLongFunction;

/** fp8_quantize_hopper.cu, fp8_scales.cu, and products: {@link CudaFp8Matmul}, {@link CudaFp8MatmulGelu}. */
final class CudaFp8 implements Fp8Ops, AutoCloseable {
    private static final int TILE_ROWS = 128;
    private static final int TILE_COLUMNS = 64;

    private final CudaContext context;
    private final CudaLayerNorm layerNorm;
    private final CudaCrossEntropy crossEntropy;
    private final CudaFp8Matmul matmul;
    private final CudaFp8MatmulGelu matmulGelu;

    CudaFp8(CudaContext context, CudaGelu gelu, CudaLayerNorm layerNorm, CudaCrossEntropy crossEntropy) {
        this.context = context;
        this.layerNorm = layerNorm;
        this.crossEntropy = crossEntropy;
        this.matmul = new CudaFp8Matmul(context);
        this.matmulGelu = new CudaFp8MatmulGelu(context, gelu);
    }

    @Override
    public void quantize(Tensor x, Fp8Matrix to) {
        launch(false, new Gelu(Gelu.Form.ERF, null), x, to);
    }

    @Override
    public void gelu(Gelu op, Tensor x, Fp8Matrix y) {
        launch(true, op, x, y);
    }

    private void launch(boolean gelu, Gelu op, Tensor x, Fp8Matrix to) {
        check(x, to);
        TensorChecks.dense(op.bias());
        TensorChecks.type(x.dtype(), op.bias());
        int rows = to.values().size(0);
        int columns = to.values().size(1);
        CudaModule module = module(x.dtype(), to.values().dtype(), gelu, op.form());
        context.arguments()
                .struct(KernelStructs.FP8_QUANTIZE)
                .set("values", CudaContext.aligned(to.values()))
                .set("transposed", CudaContext.aligned(to.transposed()))
                .set("maximum", CudaBuffer.address(to.scale().maximum()))
                .set("scale", CudaBuffer.address(to.scale().scale()))
                .set("x", CudaContext.aligned(x))
                .set("bias", CudaContext.aligned(op.bias()))
                .set("rows", rows)
                .set("columns", columns);
        Grid grid = new Grid(tiles(columns, TILE_COLUMNS), tiles(rows, TILE_ROWS), 1, 256, 1, 0);
        context.launch(module.kernel("fp8_quantize"), grid);
    }

    private CudaModule module(DType from, DType to, boolean gelu, Gelu.Form form) {
        return context.module(
                "fp8_quantize_hopper",
                from,
                "FP8",
                CudaContext.kernelType(to),
                "GELU",
                gelu ? 1 : 0,
                "GELU_TANH",
                form == Gelu.Form.TANH ? 1 : 0);
    }

    private static int tiles(int extent, int tile) {
        return (extent + tile - 1) / tile;
    }

    @Override
    public void quantize(List<Tensor> x, List<Fp8Matrix> to) {
        for (int from = 0; from < x.size(); from += KernelStructs.FP8_MATRICES) {
            int end = Math.min(x.size(), from + KernelStructs.FP8_MATRICES);
            launch(x.subList(from, end), to.subList(from, end));
        }
    }

    /** As many as one launch takes. */
    private void launch(List<Tensor> x, List<Fp8Matrix> to) {
        DType from = x.get(0).dtype();
        DType type = to.get(0).values().dtype();
        long[] blocks = new long[KernelStructs.FP8_MATRICES + 1];
        Arrays.fill(blocks, Long.MAX_VALUE);
        blocks[0] = 0;
        for (int i = 0; i < x.size(); i++) {
            Tensor values = to.get(i).values();
            check(x.get(i), to.get(i));
            TensorChecks.type(from, x.get(i));
            TensorChecks.type(type, values);
            blocks[i + 1] = blocks[i] + (long) tiles(values.size(1), TILE_COLUMNS) * tiles(values.size(0), TILE_ROWS);
        }
        context.arguments()
                .struct(KernelStructs.FP8_QUANTIZE_ALL)
                .set("values", each(to, y -> CudaContext.aligned(y.values())))
                .set("transposed", each(to, y -> CudaContext.aligned(y.transposed())))
                .set("maximum", each(to, y -> CudaBuffer.address(y.scale().maximum())))
                .set("scale", each(to, y -> CudaBuffer.address(y.scale().scale())))
                .set("x", each(x, CudaContext::aligned))
                .set("rows", each(to, y -> y.values().size(0)))
                .set("columns", each(to, y -> y.values().size(1)))
                .set("blocks", Arrays.copyOf(blocks, KernelStructs.FP8_MATRICES));
        CudaModule module = module(from, type, false, Gelu.Form.ERF);
        context.launch(module.kernel("fp8_quantize_all"), Grid.of(blocks[x.size()], 256));
    }

    private static <T> long[] each(List<T> of, ToLongFunction<T> value) {
        return Arrays.copyOf(of.stream().mapToLong(value).toArray(), KernelStructs.FP8_MATRICES);
    }

    @Override
    public void residualLayerNorm(ResidualLayerNorm op, Fp8Matrix y) {
        layerNorm.forward(op, y);
    }

    @Override
    public void crossEntropyWithGradient(CrossEntropy op, Fp8Matrix dLogits) {
        crossEntropy.lossWithGradient(op, dLogits);
    }

    private static void check(Tensor x, Fp8Matrix to) {
        check(to);
        TensorChecks.dense(x);
        TensorChecks.count(to.values().count(), x);
    }

    /** Values and transpose of a matrix that a kernel writes. */
    static void check(Fp8Matrix to) {
        Tensor values = to.values();
        TensorChecks.dense(values, to.transposed());
        if (values.size(0) % MULTIPLE != 0 || values.size(1) % MULTIPLE != 0) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT, "%s: rows and columns of FP8 matrices are multiples of %d", values, MULTIPLE));
        }
    }

    @Override
    public void matmul(Fp8Matmul op) {
        matmul.run(op);
    }

    @Override
    public void matmulGelu(Fp8Matrix.Operand a, Fp8Matrix.Operand b, Gelu op, Kept kept, Tensor to, Fp8Matrix y) {
        matmulGelu.forward(a, b, op, kept, to, y);
    }

    @Override
    public void matmulGeluBackward(Fp8Matrix.Operand a, Fp8Matrix.Operand b, Tensor slope, Fp8Matrix dx, Tensor dBias) {
        matmulGelu.backward(a, b, slope, dx, dBias);
    }

    @Override
    public void beginStep(Scales scales) {
        CudaModule module = module(scales);
        int count = Math.toIntExact(scales.scale().count());
        context.arguments()
                .add(CudaBuffer.address(scales.scale()))
                .add(CudaBuffer.address(scales.inverse()))
                .add(CudaBuffer.address(scales.maximum()))
                .add(CudaBuffer.address(scales.history()))
                .add(CudaBuffer.address(scales.limit()))
                .add(context.state().address())
                .add(count);
        context.launch(module.kernel("fp8_scales_begin"), Grid.cover(count, 128, 128));
    }

    @Override
    public void endStep(Scales scales) {
        CudaModule module = module(scales);
        int count = Math.toIntExact(scales.scale().count());
        context.arguments()
                .add(CudaBuffer.address(scales.history()))
                .add(CudaBuffer.address(scales.maximum()))
                .add(count);
        context.launch(module.kernel("fp8_scales_end"), Grid.cover(count, 128, 128));
    }

    private CudaModule module(Scales scales) {
        long count = scales.scale().count();
        TensorChecks.dense(DType.F32, count, scales.scale(), scales.maximum(), scales.limit());
        TensorChecks.dense(DType.F32, count * SPACING, scales.inverse());
        TensorChecks.dense(DType.F32, count * HISTORY, scales.history());
        return context.module("fp8_scales", DType.F32, "HISTORY", HISTORY, "SPACING", SPACING);
    }

    @Override
    public void close() {
        matmul.close();
    }
}
