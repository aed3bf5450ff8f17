package dev.kindling.device.cpu;

import static dev.kindling.device.cpu.rows.CpuBuffer.floats;
import static dev.kindling.device.cpu.rows.CpuBuffer.offset;

import dev.kindling.device.TensorChecks;
import dev.kindling.device.cpu.rows.Bf16Rows;
import dev.kindling.device.cpu.rows.CpuBuffer;
import dev.kindling.device.cpu.rows.CpuLoops;
import dev.kindling.device.cpu.rows.NormalValues;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.lang.reflect.Array;
import java.nio.ShortBuffer;
import java.util.Arrays;
import java.util.Locale;

/** Fills, copies between strided views, elementwise sums and rounding. */
final class CpuCopy {
    private final CpuLoops loops;

    CpuCopy(CpuLoops loops) {
        this.loops = loops;
    }

    void fill(Tensor x, float value) {
        TensorChecks.dense(x);
        int at = offset(x);
        int end = at + (int) x.count();
        switch (x.dtype()) {
            case F32 -> {
                float[] values = floats(x);
                loops.flat(end - at, (from, n) -> Arrays.fill(values, at + from, at + from + n, value));
            }
            case BF16 -> Arrays.fill(CpuBuffer.halves(x), at, end, Bf16Rows.of(value));
            case I32 -> Arrays.fill(CpuBuffer.ints(x), at, end, (int) value);
            case BOOL -> Arrays.fill(CpuBuffer.booleans(x), at, end, (byte) (value == 0 ? 0 : 1));
            default -> throw new IllegalArgumentException(String.format(Locale.ROOT, "%s cannot be on the CPU", x));
        }
    }

    void normal(Tensor x, NormalValues values) {
        TensorChecks.dense(DType.F32, x.count(), x);
        float[] to = floats(x);
        loops.flat((int) x.count(), (at, n) -> values.put(at, to, offset(x) + at, n));
    }

    void copy(Tensor from, Tensor to) {
        TensorChecks.sameShape(from, to);
        if (from.dtype() != to.dtype()) {
            convert(from, to);
            return;
        }
        if (from.count() == 0) {
            return;
        }
        Object source = CpuBuffer.array(from);
        Object target = CpuBuffer.array(to);
        if (from.isDense() && to.isDense()) {
            int count = (int) from.count();
            loops.flat(count, (at, n) -> System.arraycopy(source, offset(from) + at, target, offset(to) + at, n));
            return;
        }
        if (from.shape().rank() == 0) {
            System.arraycopy(source, offset(from), target, offset(to), 1);
            return;
        }
        int width = from.size(-1);
        int rows = (int) (from.count() / width);
        loops.rows(rows, width, (worker, first, last) -> {
            for (int row = first; row < last; row++) {
                copyRow(source, rowOffset(from, row), (int) from.stride(-1), target, rowOffset(to, row), to);
            }
        });
    }

    private void convert(Tensor from, Tensor to) {
        boolean widening = from.dtype() == DType.BF16 && to.dtype() == DType.F32;
        boolean rounding = from.dtype() == DType.F32 && to.dtype() == DType.BF16;
        if (!from.isDense() || !to.isDense() || !(widening || rounding)) {
            throw new IllegalArgumentException(String.format(Locale.ROOT, "cannot convert %s to %s", from, to));
        }
        loops.flat((int) from.count(), (at, n) -> {
            if (widening) {
                ShortBuffer values = ShortBuffer.wrap(CpuBuffer.halves(from), offset(from) + at, n);
                Bf16Rows.get(values, floats(to), offset(to) + at, n);
            } else {
                ShortBuffer values = ShortBuffer.wrap(CpuBuffer.halves(to), offset(to) + at, n);
                Bf16Rows.put(floats(from), offset(from) + at, n, values);
            }
        });
    }

    private static void copyRow(Object source, int sourceAt, int step, Object target, int targetAt, Tensor to) {
        int width = to.size(-1);
        int toStep = (int) to.stride(-1);
        if (width == 1 || (step == 1 && toStep == 1)) {
            System.arraycopy(source, sourceAt, target, targetAt, width);
        } else if (to.dtype() == DType.F32) {
            float[] in = (float[]) source;
            float[] out = (float[]) target;
            for (int i = 0; i < width; i++) {
                out[targetAt + i * toStep] = in[sourceAt + i * step];
            }
        } else {
            for (int i = 0; i < width; i++) {
                Array.set(target, targetAt + i * toStep, Array.get(source, sourceAt + i * step));
            }
        }
    }

    /** The offset of row {@code row}, where rows are counted over all dimensions but the last. */
    private static int rowOffset(Tensor tensor, int row) {
        long at = tensor.offset();
        int left = row;
        for (int d = tensor.shape().rank() - 2; d >= 0; d--) {
            int extent = tensor.size(d);
            at += left % extent * tensor.stride(d);
            left /= extent;
        }
        return (int) at;
    }

    void add(Tensor x, Tensor into) {
        TensorChecks.dense(DType.F32, x.count(), x, into);
        float[] from = floats(x);
        float[] to = floats(into);
        loops.flat((int) x.count(), (at, n) -> loops.kernels().add(from, offset(x) + at, to, offset(into) + at, n));
    }

    void roundToBf16(Tensor x, Tensor residual) {
        TensorChecks.dense(DType.F32, x.count(), x, residual);
        float[] values = floats(x);
        float[] left = floats(residual);
        loops.flat(
                (int) x.count(),
                (at, n) -> loops.kernels().roundToBf16(values, offset(x) + at, left, offset(residual) + at, n));
    }
}
