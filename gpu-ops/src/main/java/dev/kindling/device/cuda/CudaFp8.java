package dev.kindling.device.cuda;

import dev.kindling.device.Fp8Matmul;
import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Fp8Ops;
import dev.kindling.device.Gelu;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Locale;

/** fp8_quantize_hopper.cu, fp8_scales.cu, and products through {@link CudaFp8Matmul}. */
final class CudaFp8 implements Fp8Ops, AutoCloseable {
    private static final int TILE_ROWS = 128;
    private static final int TILE_COLUMNS = 64;

    private final CudaContext context;
    private final CudaGelu gelu;
    private final CudaFp8Matmul matmul;

    CudaFp8(CudaContext context, CudaGelu gelu) {
        this.context = context;
        this.gelu = gelu;
        this.matmul = new CudaFp8Matmul(context);
    }

    /** What fp8_quantize rounds: its SOURCE. */
    private enum Source {
        PLAIN(0),
        GELU(1),
        GELU_BACKWARD(2);

        private final int number;

        Source(int number) {
            this.number = number;
        }
    }

    @Override
    public void quantize(Tensor x, Fp8Matrix to) {
        launch(Source.PLAIN, new Gelu(Gelu.Form.ERF, null), x, null, to, 0);
    }

    @Override
    public void gelu(Gelu op, Tensor x, Fp8Matrix y) {
        launch(Source.GELU, op, x, null, y, 0);
    }

    @Override
    public void geluBackward(Gelu op, Tensor x, Tensor dy, Fp8Matrix dx, Tensor dBias) {
        CudaModule sums = gelu.module(op, x, dy);
        int columns = x.size(-1);
        CudaGelu.checkSums(dBias, columns);
        int groups = (TensorChecks.rows(x, columns) + TILE_ROWS - 1) / TILE_ROWS;
        long partial = dBias == null ? 0 : context.scratch(4L * groups * columns);
        launch(Source.GELU_BACKWARD, op, x, dy, dx, partial);
        if (dBias != null) {
            gelu.addSums(sums, partial, groups, dBias);
        }
    }

    private void launch(Source source, Gelu op, Tensor x, Tensor dy, Fp8Matrix to, long partial) {
        Tensor values = to.values();
        TensorChecks.dense(x, dy, op.bias(), values, to.transposed());
        TensorChecks.type(x.dtype(), dy, op.bias());
        TensorChecks.count(values.count(), x, dy);
        int rows = values.size(0);
        int columns = values.size(1);
        if (rows % MULTIPLE != 0 || columns % MULTIPLE != 0) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT, "%s: rows and columns of FP8 matrices are multiples of %d", values, MULTIPLE));
        }
        CudaModule module = context.module(
                "fp8_quantize_hopper",
                x.dtype(),
                "FP8",
                CudaContext.kernelType(values.dtype()),
                "SOURCE",
                source.number,
                "GELU_TANH",
                op.form() == Gelu.Form.TANH ? 1 : 0);
        context.arguments()
                .struct(KernelStructs.FP8_QUANTIZE)
                .set("values", CudaContext.aligned(values))
                .set("transposed", CudaContext.aligned(to.transposed()))
                .set("maximum", CudaBuffer.address(to.scale().maximum()))
                .set("partial", partial)
                .set("scale", CudaBuffer.address(to.scale().scale()))
                .set("x", CudaContext.aligned(x))
                .set("dy", CudaContext.aligned(dy))
                .set("bias", CudaContext.aligned(op.bias()))
                .set("rows", rows)
                .set("columns", columns);
        Grid grid =
                new Grid((columns + TILE_COLUMNS - 1) / TILE_COLUMNS, (rows + TILE_ROWS - 1) / TILE_ROWS, 1, 256, 1, 0);
        context.launch(module.kernel("fp8_quantize"), grid);
    }

    @Override
    public void matmul(Fp8Matmul op) {
        matmul.run(op);
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
