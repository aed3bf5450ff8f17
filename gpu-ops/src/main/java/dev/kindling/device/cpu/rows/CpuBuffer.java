package dev.kindling.device.cpu.rows;

import dev.kindling.tensor.Buffer;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Locale;

/** A heap array: {@code float[]} for F32, {@code short[]} for BF16, {@code int[]} for I32, {@code byte[]} for BOOL. Owned by its arena. */
public final class CpuBuffer implements Buffer {
    private final String name;
    private final DType dtype;
    private final int count;
    private Object array;

    public CpuBuffer(String name, DType dtype, int count, Object array) {
        this.name = name;
        this.dtype = dtype;
        this.count = count;
        this.array = array;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public DType dtype() {
        return dtype;
    }

    @Override
    public long count() {
        return count;
    }

    public void release() {
        array = null;
    }

    /** The whole array behind an F32 tensor; its first element is at {@link #offset}. */
    public static float[] floats(Tensor tensor) {
        return (float[]) array(tensor, DType.F32);
    }

    public static short[] halves(Tensor tensor) {
        return (short[]) array(tensor, DType.BF16);
    }

    public static int[] ints(Tensor tensor) {
        return (int[]) array(tensor, DType.I32);
    }

    public static byte[] booleans(Tensor tensor) {
        return (byte[]) array(tensor, DType.BOOL);
    }

    /** The array behind a tensor of any type. */
    public static Object array(Tensor tensor) {
        return array(tensor, tensor.dtype());
    }

    public static int offset(Tensor tensor) {
        return (int) tensor.offset();
    }

    private static Object array(Tensor tensor, DType dtype) {
        if (!(tensor.buffer() instanceof CpuBuffer buffer)) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "%s is not in CPU memory; upload it to the CPU device first", tensor));
        }
        if (tensor.dtype() != dtype) {
            throw new IllegalArgumentException(String.format(Locale.ROOT, "%s must be %s", tensor, dtype));
        }
        if (buffer.array == null) {
            throw new IllegalStateException(
                    String.format(Locale.ROOT, "%s is used after its arena was closed", buffer.name));
        }
        return buffer.array;
    }
}
