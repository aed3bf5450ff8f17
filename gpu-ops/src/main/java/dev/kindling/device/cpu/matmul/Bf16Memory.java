package dev.kindling.device.cpu.matmul;

import java.nio.ShortBuffer;
import org.bytedeco.javacpp.ShortPointer;

/** Native memory for bf16 values that grows to what is asked of it and is reused; close it. */
final class Bf16Memory implements AutoCloseable {
    private ShortPointer pointer = new ShortPointer();
    private ShortBuffer buffer = ShortBuffer.allocate(0);

    /** Room for {@code count} values; what was there is lost where it has to grow. */
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
