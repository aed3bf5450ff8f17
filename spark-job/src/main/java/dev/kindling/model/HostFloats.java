package dev.kindling.model;

import dev.kindling.device.Device;
import dev.kindling.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.storage.StorageUtils;
import org.apache.spark.unsafe.Platform;

/** Values in memory of the host outside of the heap, in pieces; more than 2^31 as well. */
public final class HostFloats implements FlatValues, FlatTarget {
    /** Floats of a piece: 64 MiB. */
    private static final int PIECE = 1 << 24;

    private final List<ByteBuffer> pieces = new ArrayList<>();
    private boolean closed;

    /** Zeros; see {@link HostMemory} for whether they fit. */
    public HostFloats(long count) {
        try {
            for (long at = 0; at < count; at += PIECE) {
                int bytes = Float.BYTES * (int) Math.min(PIECE, count - at);
                pieces.add(Platform.allocateDirectBuffer(bytes).order(ByteOrder.nativeOrder()));
            }
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    @Override
    public synchronized void read(long offset, FloatBuffer to) {
        forPieces(offset, to.remaining(), (piece, from, at, n) -> to.put(to.position() + at, piece, from, n));
    }

    @Override
    public synchronized void take(long offset, FloatBuffer values) {
        forPieces(offset, values.remaining(), (piece, to, at, n) -> piece.put(to, values, values.position() + at, n));
    }

    @Override
    public synchronized void take(Device device, long offset, Tensor values) {
        requireOpen();
        for (long at = 0; at < values.count(); ) {
            FloatBuffer piece = floats(Math.toIntExact((offset + at) / PIECE));
            int first = (int) ((offset + at) % PIECE);
            int n = (int) Math.min(values.count() - at, piece.capacity() - first);
            device.download(values.slice(0, at, n), piece.slice(first, n));
            at += n;
        }
    }

    private interface Part {
        void copy(FloatBuffer piece, int first, int at, int n);
    }

    /** Walks a range: what lies in each piece from {@code first} on is the range's from {@code at} on. */
    private void forPieces(long offset, int length, Part part) {
        requireOpen();
        for (int at = 0; at < length; ) {
            FloatBuffer piece = floats(Math.toIntExact((offset + at) / PIECE));
            int first = (int) ((offset + at) % PIECE);
            int n = Math.min(length - at, piece.capacity() - first);
            part.copy(piece, first, at, n);
            at += n;
        }
    }

    private FloatBuffer floats(int piece) {
        return pieces.get(piece).asFloatBuffer();
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("a checkpoint in memory is used after it was let go");
        }
    }

    @Override
    public synchronized void close() {
        closed = true;
        pieces.forEach(StorageUtils::dispose);
        pieces.clear();
    }
}
