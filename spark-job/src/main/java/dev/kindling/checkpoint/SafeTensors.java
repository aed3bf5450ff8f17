package dev.kindling.checkpoint;

import dev.kindling.interop.ModelFileException;
import dev.kindling.interop.SafeTensorsFile;
import dev.kindling.interop.SafeTensorsHeader;
import dev.kindling.interop.TensorContent;
import dev.kindling.tensor.DType;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Collections;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The safetensors format: 8 bytes little-endian header length N, N bytes of JSON header (padded with spaces to a
 * multiple of 8), then the tensors' little-endian elements, without gaps. Tensors are float32 and ordered by name, so
 * equal tensors give equal bytes.
 *
 * @param tensors by name
 * @param metadata the header's {@code __metadata__}
 */
public record SafeTensors(SortedMap<String, TensorSlice> tensors, SortedMap<String, String> metadata) {
    private static final int CHUNK_FLOATS = 1 << 14;

    public SafeTensors {
        tensors = Collections.unmodifiableSortedMap(new TreeMap<>(tensors));
        metadata = Collections.unmodifiableSortedMap(new TreeMap<>(metadata));
    }

    public SafeTensors(Map<String, TensorSlice> tensors, Map<String, String> metadata) {
        this(new TreeMap<>(tensors), new TreeMap<>(metadata));
    }

    /** Streams the file to {@code out}, which stays open. Needs one small buffer, whatever the size. */
    public void writeTo(OutputStream out) throws IOException {
        Map<String, TensorContent> contents = new TreeMap<>();
        tensors.forEach((name, tensor) -> contents.put(name, tensor.content()));
        new SafeTensorsFile(contents, metadata, DType.F32).writeTo(out);
    }

    /**
     * Reads a file of {@code fileBytes} bytes from {@code in}, which stays open. Allocates no more than the file's
     * length justifies; every tensor gets its own array.
     *
     * @param name the file's name, for error messages
     * @throws CheckpointException if the bytes are not a safetensors file of float32 tensors without gaps
     */
    public static SafeTensors read(InputStream in, long fileBytes, String name) throws IOException {
        SafeTensorsHeader header;
        try {
            header = SafeTensorsHeader.read(in, fileBytes, name);
        } catch (ModelFileException e) {
            throw new CheckpointException(e.getMessage(), e);
        }
        TreeMap<String, TensorSlice> tensors = new TreeMap<>();
        for (SafeTensorsHeader.Entry entry : header.tensors()) {
            if (!entry.dtype().equals("F32")) {
                throw new CheckpointException(name + " cannot be read: tensor " + entry.name() + " is " + entry.dtype()
                        + ", not F32; convert it to F32 first");
            }
            if (entry.count() > Integer.MAX_VALUE - 8) {
                throw new CheckpointException(name + " cannot be read: tensor " + entry.name() + " has " + entry.count()
                        + " elements, more than a Java array; use a smaller model");
            }
            int[] shape = entry.shape().stream().mapToInt(Math::toIntExact).toArray();
            tensors.put(entry.name(), new TensorSlice(shape, readFloats(in, (int) entry.count(), name), 0));
        }
        return new SafeTensors(tensors, header.metadata());
    }

    private static float[] readFloats(InputStream in, int count, String name) throws IOException {
        float[] floats = new float[count];
        ByteBuffer chunk =
                ByteBuffer.allocate(Math.min(count, CHUNK_FLOATS) * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (int at = 0; at < count; at += CHUNK_FLOATS) {
            int n = Math.min(count - at, CHUNK_FLOATS);
            if (in.readNBytes(chunk.array(), 0, n * Float.BYTES) < n * Float.BYTES) {
                throw new CheckpointException(
                        name + " is damaged: it ends within a tensor; use another checkpoint or write this file again");
            }
            chunk.asFloatBuffer().get(floats, at, n);
        }
        return floats;
    }
}
