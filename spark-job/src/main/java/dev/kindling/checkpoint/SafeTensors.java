package dev.kindling.checkpoint;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
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
    /** The largest header that the reference implementation accepts. */
    static final long MAX_HEADER_BYTES = 100_000_000;

    private static final int CHUNK_FLOATS = 1 << 14;
    private static final String METADATA = "__metadata__";
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    public SafeTensors {
        tensors = Collections.unmodifiableSortedMap(new TreeMap<>(tensors));
        metadata = Collections.unmodifiableSortedMap(new TreeMap<>(metadata));
    }

    public SafeTensors(Map<String, TensorSlice> tensors, Map<String, String> metadata) {
        this(new TreeMap<>(tensors), new TreeMap<>(metadata));
    }

    /** Streams the file to {@code out}, which stays open. Needs one small buffer, whatever the size. */
    public void writeTo(OutputStream out) throws IOException {
        byte[] header = header();
        out.write(ByteBuffer.allocate(Long.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(header.length)
                .array());
        out.write(header);
        ByteBuffer chunk = ByteBuffer.allocate(CHUNK_FLOATS * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (TensorSlice tensor : tensors.values()) {
            FloatBuffer elements = tensor.elements();
            while (elements.hasRemaining()) {
                int n = Math.min(elements.remaining(), CHUNK_FLOATS);
                chunk.asFloatBuffer().put(elements.slice(elements.position(), n));
                out.write(chunk.array(), 0, n * Float.BYTES);
                elements.position(elements.position() + n);
            }
        }
    }

    private byte[] header() throws JsonProcessingException {
        ObjectNode header = JSON.createObjectNode();
        if (!metadata.isEmpty()) {
            ObjectNode entries = header.putObject(METADATA);
            metadata.forEach(entries::put);
        }
        long offset = 0;
        for (Map.Entry<String, TensorSlice> tensor : tensors.entrySet()) {
            long end = offset + (long) tensor.getValue().count() * Float.BYTES;
            ObjectNode entry = header.putObject(tensor.getKey());
            entry.put("dtype", "F32");
            Arrays.stream(tensor.getValue().shape()).forEach(entry.putArray("shape")::add);
            entry.putArray("data_offsets").add(offset).add(end);
            offset = end;
        }
        byte[] json = JSON.writeValueAsBytes(header);
        byte[] padded = Arrays.copyOf(json, (json.length + 7) / 8 * 8);
        Arrays.fill(padded, json.length, padded.length, (byte) ' ');
        return padded;
    }

    /**
     * Reads a file of {@code fileBytes} bytes from {@code in}, which stays open. Allocates no more than the file's
     * length justifies; every tensor gets its own array.
     *
     * @param name the file's name, for error messages
     * @throws CheckpointException if the bytes are not a safetensors file of float32 tensors without gaps
     */
    public static SafeTensors read(InputStream in, long fileBytes, String name) throws IOException {
        byte[] prefix = readFully(in, Long.BYTES, name);
        long headerBytes =
                ByteBuffer.wrap(prefix).order(ByteOrder.LITTLE_ENDIAN).getLong();
        if (headerBytes < 2 || headerBytes > Math.min(MAX_HEADER_BYTES, fileBytes - Long.BYTES)) {
            throw damaged(name, "its header claims " + headerBytes + " bytes of a file of " + fileBytes);
        }
        JsonNode header = parse(readFully(in, (int) headerBytes, name), name);
        TreeMap<Long, SafeTensorsEntry> entries = new TreeMap<>();
        TreeMap<String, String> metadata = new TreeMap<>();
        for (Map.Entry<String, JsonNode> field : header.properties()) {
            if (field.getKey().equals(METADATA)) {
                for (Map.Entry<String, JsonNode> entry : field.getValue().properties()) {
                    metadata.put(entry.getKey(), entry.getValue().asText());
                }
                continue;
            }
            SafeTensorsEntry entry = SafeTensorsEntry.parse(field.getKey(), field.getValue(), name);
            if (entry.begin() < entry.end() && entries.put(entry.begin(), entry) != null) {
                throw damaged(name, "two tensors begin at byte " + entry.begin());
            }
            if (entry.begin() == entry.end()) {
                throw damaged(name, "tensor " + entry.name() + " is empty");
            }
        }
        return new SafeTensors(readTensors(in, entries, fileBytes - Long.BYTES - headerBytes, name), metadata);
    }

    private static TreeMap<String, TensorSlice> readTensors(
            InputStream in, TreeMap<Long, SafeTensorsEntry> entries, long dataBytes, String name) throws IOException {
        long expected = 0;
        for (SafeTensorsEntry entry : entries.values()) {
            if (entry.begin() != expected) {
                throw damaged(
                        name, "tensor " + entry.name() + " begins at byte " + entry.begin() + ", not " + expected);
            }
            expected = entry.end();
        }
        if (expected != dataBytes) {
            throw damaged(name, "its header describes " + expected + " bytes of tensors, but it holds " + dataBytes);
        }
        TreeMap<String, TensorSlice> tensors = new TreeMap<>();
        for (SafeTensorsEntry entry : entries.values()) {
            tensors.put(entry.name(), new TensorSlice(entry.shape(), readFloats(in, entry.count(), name), 0));
        }
        return tensors;
    }

    private static float[] readFloats(InputStream in, int count, String name) throws IOException {
        float[] floats = new float[count];
        ByteBuffer chunk =
                ByteBuffer.allocate(Math.min(count, CHUNK_FLOATS) * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (int at = 0; at < count; at += CHUNK_FLOATS) {
            int n = Math.min(count - at, CHUNK_FLOATS);
            if (in.readNBytes(chunk.array(), 0, n * Float.BYTES) < n * Float.BYTES) {
                throw damaged(name, "it ends within a tensor");
            }
            chunk.asFloatBuffer().get(floats, at, n);
        }
        return floats;
    }

    private static byte[] readFully(InputStream in, int count, String name) throws IOException {
        byte[] bytes = in.readNBytes(count);
        if (bytes.length < count) {
            throw damaged(name, "it ends within its header");
        }
        return bytes;
    }

    private static JsonNode parse(byte[] header, String name) throws IOException {
        try {
            JsonNode tree = JSON.readTree(header);
            if (tree.isObject()) {
                return tree;
            }
        } catch (IOException e) {
            throw new CheckpointException(
                    damaged(name, "its header is not JSON").getMessage(), e);
        }
        throw damaged(name, "its header is not a JSON object");
    }

    static CheckpointException damaged(String name, String why) {
        return new CheckpointException(
                name + " is damaged: " + why + "; use another checkpoint or write this file again");
    }
}
