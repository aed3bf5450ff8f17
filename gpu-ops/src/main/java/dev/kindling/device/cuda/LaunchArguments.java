package dev.kindling.device.cuda;

import com.sun.jna.Native;
import dev.kindling.device.Dropout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Locale;
import jcuda.Pointer;

/**
 * The one reusable block of native memory through which kernels get their arguments: the values, each at a multiple of 8
 * bytes, and the table of their addresses that cuLaunchKernel takes. Saves JCuda from walking an array of objects at
 * every launch.
 */
final class LaunchArguments {
    private static final int MOST = 32;
    private static final int VALUE_BYTES = 4096;

    private final ByteBuffer block =
            ByteBuffer.allocateDirect(VALUE_BYTES + 8 * MOST).order(ByteOrder.nativeOrder());
    private final long base = com.sun.jna.Pointer.nativeValue(Native.getDirectBufferPointer(block));
    private final Pointer table;
    private int count;
    private int used;
    private StructValue struct;

    LaunchArguments() {
        this.table = Pointer.to(block.duplicate().position(VALUE_BYTES).slice());
    }

    LaunchArguments clear() {
        count = 0;
        used = 0;
        struct = null;
        return this;
    }

    LaunchArguments add(long value) {
        next(8);
        block.putLong(used, value);
        used += 8;
        return this;
    }

    LaunchArguments add(int value) {
        next(4);
        block.putInt(used, value);
        used += 8;
        return this;
    }

    LaunchArguments add(float value) {
        next(4);
        block.putFloat(used, value);
        used += 8;
        return this;
    }

    /** The threshold, then the site, as kernels take them; a threshold of 0 switches dropout off. */
    LaunchArguments add(Dropout dropout) {
        return add(dropout.threshold()).add(dropout.site());
    }

    /** A struct by value, which the caller fills before the launch; at most one a launch. */
    StructValue struct(StructLayout layout) {
        if (struct != null) {
            throw new IllegalStateException(
                    String.format(Locale.ROOT, "a second struct, %s, in one launch", layout.name()));
        }
        struct = new StructValue(layout, place(layout.bytes()));
        return struct;
    }

    /** The bytes of an argument that another library has made. */
    LaunchArguments add(byte[] bytes) {
        place(bytes.length).put(bytes);
        return this;
    }

    private ByteBuffer place(int bytes) {
        next(bytes);
        ByteBuffer place = block.slice(used, bytes).order(ByteOrder.nativeOrder());
        used += (bytes + 7) / 8 * 8;
        return place;
    }

    private void next(int bytes) {
        if (count == MOST || used + bytes > VALUE_BYTES) {
            throw new IllegalStateException(
                    String.format(Locale.ROOT, "too many kernel arguments: %d of %d bytes", count + 1, used + bytes));
        }
        block.putLong(VALUE_BYTES + 8 * count++, base + used);
    }

    /** The addresses of the arguments, as cuLaunchKernel takes them. */
    Pointer table() {
        if (struct != null) {
            struct.checkComplete();
        }
        return table;
    }
}
