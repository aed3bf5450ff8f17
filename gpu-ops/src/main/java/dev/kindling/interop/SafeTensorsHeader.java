package dev.kindling.interop;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The header of a safetensors file: 8 bytes little-endian length N, N bytes of JSON, then the tensors' little-endian
 * elements without gaps.
 *
 * @param tensors in the order of their data
 * @param metadata the header's {@code __metadata__}
 * @param dataStart byte of the file at which the data begins
 */
public record SafeTensorsHeader(List<Entry> tensors, SortedMap<String, String> metadata, long dataStart) {
    /** The largest header that the reference implementation accepts. */
    private static final long MAX_BYTES = 100_000_000;

    private static final String METADATA = "__metadata__";

    /** Bytes of an element. */
    private static final Map<String, Integer> DTYPES = Map.ofEntries(
            Map.entry("BOOL", 1),
            Map.entry("U8", 1),
            Map.entry("I8", 1),
            Map.entry("F8_E5M2", 1),
            Map.entry("F8_E4M3", 1),
            Map.entry("I16", 2),
            Map.entry("U16", 2),
            Map.entry("F16", 2),
            Map.entry("BF16", 2),
            Map.entry("I32", 4),
            Map.entry("U32", 4),
            Map.entry("F32", 4),
            Map.entry("F64", 8),
            Map.entry("I64", 8),
            Map.entry("U64", 8));

    /**
     * One tensor.
     *
     * @param dtype of the format's: {@code F32}, {@code BF16} ...
     * @param begin its first byte, after the header
     * @param end the byte behind its last
     */
    public record Entry(String name, String dtype, List<Long> shape, long begin, long end) {
        /** Number of elements. */
        public long count() {
            return (end - begin) / DTYPES.get(dtype);
        }
    }

    /**
     * Reads the header of a file of {@code fileBytes} bytes from {@code in}, which is left where the data begins.
     * Allocates no more than the file's length justifies.
     *
     * @param name the file's name, for error messages
     * @throws ModelFileException if the bytes are no such header, or it does not describe {@code fileBytes} bytes
     */
    public static SafeTensorsHeader read(InputStream in, long fileBytes, String name) throws IOException {
        long headerBytes = ByteBuffer.wrap(readFully(in, Long.BYTES, name))
                .order(ByteOrder.LITTLE_ENDIAN)
                .getLong();
        if (headerBytes < 2 || headerBytes > Math.min(MAX_BYTES, fileBytes - Long.BYTES)) {
            throw damaged(name, "its header claims " + headerBytes + " bytes of a file of " + fileBytes);
        }
        JsonNode header = parse(readFully(in, (int) headerBytes, name), name);
        TreeMap<Long, Entry> entries = new TreeMap<>();
        TreeMap<String, String> metadata = new TreeMap<>();
        for (Map.Entry<String, JsonNode> field : header.properties()) {
            if (field.getKey().equals(METADATA)) {
                field.getValue()
                        .properties()
                        .forEach(pair ->
                                metadata.put(pair.getKey(), pair.getValue().asText()));
                continue;
            }
            Entry entry = entry(field.getKey(), field.getValue(), name);
            if (entry.begin() == entry.end()) {
                throw damaged(name, "tensor " + entry.name() + " is empty");
            }
            if (entries.put(entry.begin(), entry) != null) {
                throw damaged(name, "two tensors begin at byte " + entry.begin());
            }
        }
        requireNoGaps(entries, fileBytes - Long.BYTES - headerBytes, name);
        return new SafeTensorsHeader(
                List.copyOf(entries.values()), Collections.unmodifiableSortedMap(metadata), Long.BYTES + headerBytes);
    }

    private static Entry entry(String tensor, JsonNode node, String file) throws ModelFileException {
        JsonNode offsets = node.path("data_offsets");
        JsonNode shape = node.path("shape");
        if (!node.path("dtype").isTextual() || !shape.isArray() || offsets.size() != 2) {
            throw damaged(file, "the entry of tensor " + tensor + " lacks dtype, shape or data_offsets");
        }
        String dtype = node.path("dtype").asText();
        if (!DTYPES.containsKey(dtype)) {
            throw damaged(file, "tensor " + tensor + " has the unknown dtype " + dtype);
        }
        Long[] extents = new Long[shape.size()];
        for (int i = 0; i < extents.length; i++) {
            extents[i] = shape.get(i).canConvertToLong() && shape.get(i).isIntegralNumber()
                    ? shape.get(i).longValue()
                    : -1;
        }
        long begin = offset(offsets.get(0));
        long end = offset(offsets.get(1));
        if (begin < 0 || end < begin || bytes(extents, DTYPES.get(dtype)) != end - begin) {
            throw damaged(
                    file,
                    String.format(
                            Locale.ROOT,
                            "tensor %s of shape %s and dtype %s does not fill bytes %s to %s",
                            tensor,
                            Arrays.toString(extents),
                            dtype,
                            offsets.get(0),
                            offsets.get(1)));
        }
        return new Entry(tensor, dtype, List.of(extents), begin, end);
    }

    private static long offset(JsonNode node) {
        return node.isIntegralNumber() && node.canConvertToLong() ? node.longValue() : -1;
    }

    /** Bytes of a tensor, or -1 for one that is larger than any file. */
    private static long bytes(Long[] extents, int elementBytes) {
        long bytes = elementBytes;
        for (long extent : extents) {
            if (extent < 0 || Math.multiplyHigh(bytes, extent) != 0 || (bytes *= extent) < 0) {
                return -1;
            }
        }
        return bytes;
    }

    private static void requireNoGaps(TreeMap<Long, Entry> entries, long dataBytes, String name)
            throws ModelFileException {
        long expected = 0;
        for (Entry entry : entries.values()) {
            if (entry.begin() != expected) {
                throw damaged(
                        name, "tensor " + entry.name() + " begins at byte " + entry.begin() + ", not " + expected);
            }
            expected = entry.end();
        }
        if (expected != dataBytes) {
            throw damaged(name, "its header describes " + expected + " bytes of tensors, but it holds " + dataBytes);
        }
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
            JsonNode tree = ModelFolder.JSON.readTree(header);
            if (tree.isObject()) {
                return tree;
            }
        } catch (IOException e) {
            throw new ModelFileException(damaged(name, "its header is not JSON").getMessage(), e);
        }
        throw damaged(name, "its header is not a JSON object");
    }

    static ModelFileException damaged(String name, String why) {
        return new ModelFileException(
                name + " is damaged: " + why + "; use another checkpoint or write this file again");
    }
}
