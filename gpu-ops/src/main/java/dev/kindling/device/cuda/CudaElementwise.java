package dev.kindling.device.cuda;

import dev.kindling.device.TensorChecks;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
import java.util.Locale;
import java.util.function.IntToLongFunction;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.JCudaDriver;

/** Fill, random values, copy, add and sums: copy.cu, elementwise.cu, sum.cu and column_sum.cu. */
final class CudaElementwise {
    private static final int RANK = KernelStructs.COPY_RANK;
    private static final int SLICES = 64;

    private final CudaContext context;

    CudaElementwise(CudaContext context) {
        this.context = context;
    }

    void fill(Tensor x, float value) {
        TensorChecks.dense(x);
        if (x.count() == 0) {
            return;
        }
        context.bind();
        CUdeviceptr to = CudaBuffer.pointer(x);
        int result =
                switch (x.dtype()) {
                    case F32 ->
                        JCudaDriver.cuMemsetD32Async(to, Float.floatToRawIntBits(value), x.count(), context.stream());
                    case BF16 ->
                        JCudaDriver.cuMemsetD16Async(to, HalfPrecision.toBf16(value), x.count(), context.stream());
                    case F16 ->
                        JCudaDriver.cuMemsetD16Async(to, HalfPrecision.toF16(value), x.count(), context.stream());
                    case I32 -> JCudaDriver.cuMemsetD32Async(to, (int) value, x.count(), context.stream());
                    case BOOL ->
                        JCudaDriver.cuMemsetD8Async(to, (byte) (value == 0 ? 0 : 1), x.count(), context.stream());
                    case E4M3, E5M2 -> throw new IllegalArgumentException("cannot fill " + x + "; quantize to it");
                };
        CudaCall.check(result, "fill %s", x);
    }

    void normal(Tensor x, int site) {
        TensorChecks.dense(x);
        CudaKernel kernel = context.module("elementwise", x.dtype()).kernel("normal");
        context.arguments()
                .add(CudaBuffer.address(x))
                .add(x.count())
                .add(context.state().address())
                .add(site);
        context.launch(kernel, Grid.cover((x.count() + 1) / 2, 256, 256));
    }

    void copy(Tensor from, Tensor to) {
        if (!from.shape().equals(to.shape()) || from.shape().rank() > RANK) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "cannot copy %s to %s: equal shapes of rank up to %d", from, to, RANK));
        }
        if (from.count() == 0) {
            return;
        }
        if (from.dtype() == to.dtype() && from.isDense() && to.isDense()) {
            context.bind();
            long bytes = from.count() * from.dtype().bytes();
            CudaCall.check(
                    JCudaDriver.cuMemcpyDtoDAsync(
                            CudaBuffer.pointer(to), CudaBuffer.pointer(from), bytes, context.stream()),
                    "copy %s to %s",
                    from,
                    to);
            return;
        }
        CudaKernel kernel = context.module("copy", to.dtype(), "FROM", floating(from), "TO", floating(to))
                .kernel("copy");
        context.arguments()
                .struct(KernelStructs.COPY)
                .set("to", CudaBuffer.address(to))
                .set("from", CudaBuffer.address(from))
                .set("count", from.count())
                .set("extents", innermostFirst(from, from.shape()::extent, 1))
                .set("toStrides", innermostFirst(to, to::stride, 0))
                .set("fromStrides", innermostFirst(from, from::stride, 0));
        context.launch(kernel, Grid.cover(from.count(), 256, 256));
    }

    /** A number of each dimension, the last first; {@code missing} for dimensions that the tensor does not have. */
    private static long[] innermostFirst(Tensor tensor, IntToLongFunction ofDimension, long missing) {
        long[] numbers = new long[RANK];
        Arrays.fill(numbers, missing);
        for (int i = 0; i < tensor.shape().rank(); i++) {
            numbers[i] = ofDimension.applyAsLong(-1 - i);
        }
        return numbers;
    }

    private static String floating(Tensor x) {
        return switch (x.dtype()) {
            case F32 -> "f32";
            case BF16 -> "bf16";
            case F16 -> "fp16";
            default ->
                throw new IllegalArgumentException(String.format(Locale.ROOT, "%s is not of a floating type", x));
        };
    }

    void add(Tensor x, Tensor into) {
        TensorChecks.dense(x, into);
        TensorChecks.type(DType.F32, x, into);
        TensorChecks.count(x.count(), into);
        CudaKernel kernel = context.module("elementwise", DType.F32).kernel("accumulate_f32");
        context.arguments()
                .add(CudaBuffer.address(into))
                .add(CudaBuffer.address(x))
                .add(x.count());
        context.launch(kernel, Grid.cover(x.count(), 256, 256));
    }

    void sum(Tensor x, Tensor total) {
        TensorChecks.dense(x, total);
        TensorChecks.type(DType.F32, x, total);
        CudaKernel kernel = context.module("sum").kernel("sum");
        context.arguments()
                .add(CudaBuffer.address(total))
                .add(CudaBuffer.address(x))
                .add(x.count());
        context.launch(kernel, Grid.of(1, 1024));
    }

    void sumRows(Tensor x, Tensor sums) {
        TensorChecks.dense(x, sums);
        TensorChecks.type(DType.F32, sums);
        int channels = Math.toIntExact(sums.count());
        int rows = TensorChecks.rows(x, channels);
        int slices = Math.max(1, Math.min(SLICES, rows / 64));
        CudaModule module = context.module("column_sum", x.dtype(), "CHANNELS", channels);
        long partial = context.scratch(4L * slices * channels);
        context.arguments().add(partial).add(CudaContext.aligned(x)).add(rows);
        int perBlock = 32 * module.number("column_sum_vector");
        context.launch(
                module.kernel("column_sum"), new Grid((channels + perBlock - 1) / perBlock, slices, 1, 32, 8, 0));
        context.arguments().add(CudaBuffer.address(sums)).add(partial).add(slices);
        context.launch(module.kernel("column_sum_reduce"), new Grid((channels + 31) / 32, 1, 1, 32, 32, 0));
    }
}
