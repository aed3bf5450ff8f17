package dev.kindling.device.cpu.matmul;

import java.nio.FloatBuffer;
import org.bytedeco.javacpp.FloatPointer;

/** Reusable native memory for floats; grows as needed. Close it. */
final class FloatMemory implements AutoCloseable {
    private FloatPointer pointer = new FloatPointer();
    private FloatBuffer buffer = FloatBuffer.allocate(0);

    /** Makes room for {@code count} floats. The former content is lost if the memory has to grow. */
    void reserve(int count) {
        if (buffer.capacity() < count) {
            pointer.close();
            pointer = new FloatPointer((long) count);
            buffer = pointer.asBuffer();
        }
    }

    /** The address of float {@code at}. */
    FloatPointer pointer(int at) {
        return pointer.getPointer(at);
    }

    /** Copies rows of {@code count} floats, {@code stride} apart in {@code from}, without gaps to float {@code to} on. */
    void putRows(float[] from, int at, int stride, int rows, int count, int to) {
        if (stride == count) {
            buffer.put(to, from, at, rows * count);
            return;
        }
        for (int row = 0; row < rows; row++) {
            buffer.put(to + row * count, from, at + row * stride, count);
        }
    }

    /** Copies floats {@code from .. from+count-1} to {@code to[at ..]}. */
    void get(int from, float[] to, int at, int count) {
        buffer.get(from, to, at, count);
    }

    @Override
    public void close() {
        pointer.close();
    }
}
