package dev.kindling.device.cpu.matmul;

import java.nio.ShortBuffer;
import org.bytedeco.javacpp.ShortPointer;

/** Reusable native memory for bf16 values; grows as needed. Close it. */
final class Bf16Memory implements AutoCloseable {
    private ShortPointer pointer = new ShortPointer();
    private ShortBuffer buffer = ShortBuffer.allocate(0);

    /** Memory for {@code count} values. Its former content is lost if it has to grow. */
    ShortBuffer reserve(int count) {
        if (buffer.capacity() < count) {
            pointer.close();
            pointer = new ShortPointer(count);
            buffer = pointer.asBuffer();
        }
        return buffer;
    }

    ShortPointer pointer() {
        return pointer;
    }

    ShortBuffer buffer() {
        return buffer;
    }

    @Override
    public void close() {
        pointer.close();
    }
}
