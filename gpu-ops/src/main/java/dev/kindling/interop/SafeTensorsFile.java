package dev.kindling.interop;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.tensor.DType;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A safetensors file to write. Tensors are ordered by name, so equal tensors give equal bytes.
 *
 * @param tensors by name
 * @param metadata the header's {@code __metadata__}
 * @param type F32, or BF16: rounded to nearest, ties to even
 */
public record SafeTensorsFile(
        SortedMap<String, TensorContent> tensors, SortedMap<String, String> metadata, DType type) {
    private static final int CHUNK = 1 << 14;

    public SafeTensorsFile {
        if (type != DType.F32 && type != DType.BF16) {
            throw new IllegalArgumentException("safetensors are written in F32 or BF16, not " + type);
        }
    }

    public SafeTensorsFile(Map<String, TensorContent> tensors, Map<String, String> metadata, DType type) {
        this(new TreeMap<>(tensors), new TreeMap<>(metadata), type);
    }

    /** Streams the file to {@code out}, which stays open. Needs one small buffer, whatever the size. */
    public void writeTo(OutputStream out) throws IOException {
        byte[] header = header();
        out.write(ByteBuffer.allocate(Long.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(header.length)
                .array());
        out.write(header);
        ByteBuffer chunk = ByteBuffer.allocate(CHUNK * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        for (Map.Entry<String, TensorContent> tensor : tensors.entrySet()) {
            long[] written = {0};
            tensor.getValue().elements().writeTo(next -> {
                written[0] += next.remaining();
                while (next.hasRemaining()) {
                    int n = Math.min(next.remaining(), CHUNK);
                    encode(next, n, chunk.clear());
                    out.write(chunk.array(), 0, n * type.bytes());
                }
            });
            if (written[0] != tensor.getValue().count()) {
                throw new IllegalStateException(String.format(
                        Locale.ROOT,
                        "tensor %s has %d elements, but %d were written",
                        tensor.getKey(),
                        tensor.getValue().count(),
                        written[0]));
            }
        }
    }

    private void encode(FloatBuffer from, int n, ByteBuffer to) {
        if (type == DType.F32) {
            to.asFloatBuffer().put(from.slice(from.position(), n));
            from.position(from.position() + n);
            return;
        }
        for (int i = 0; i < n; i++) {
            to.putShort(HalfFloats.toBf16(from.get()));
        }
    }

    private byte[] header() throws JsonProcessingException {
        ObjectNode header = ModelFolder.JSON.createObjectNode();
        if (!metadata.isEmpty()) {
            metadata.forEach(header.putObject("__metadata__")::put);
        }
        long offset = 0;
        for (Map.Entry<String, TensorContent> tensor : tensors.entrySet()) {
            long end = offset + tensor.getValue().count() * type.bytes();
            ObjectNode entry = header.putObject(tensor.getKey());
            entry.put("dtype", type.name());
            tensor.getValue().shape().forEach(entry.putArray("shape")::add);
            entry.putArray("data_offsets").add(offset).add(end);
            offset = end;
        }
        byte[] json = ModelFolder.JSON.writeValueAsBytes(header);
        byte[] padded = Arrays.copyOf(json, (json.length + 7) / 8 * 8);
        Arrays.fill(padded, json.length, padded.length, (byte) ' ');
        return padded;
    }
}
