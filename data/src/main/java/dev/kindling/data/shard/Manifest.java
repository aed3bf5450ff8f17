package dev.kindling.data.shard;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.data.DataException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * {@code manifest.json}: what a shard set holds. Its {@code crc32c} covers the other keys in their compact form, so
 * reformatting the file does not break it.
 *
 * @param corpus as the user named it
 * @param tokenizer the vocabulary
 * @param splits the shards of each split, in order
 */
record Manifest(String corpus, JsonNode tokenizer, Map<String, List<ShardInfo>> splits) {
    static final String FILE = "manifest.json";
    static final int VERSION = 2;
    /** In which the lengths of documents are a list for each shard, and shards are of version 1. */
    private static final int WITH_DOCUMENTS = 1;

    private static final String FORMAT = "kindling-shards";
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS)
            .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
            .build();

    byte[] encode() {
        try {
            ObjectNode json = JSON.createObjectNode();
            json.put("format", FORMAT).put("version", VERSION);
            json.setAll((ObjectNode) JSON.valueToTree(this));
            json.put("crc32c", checksum(json));
            return JSON.writeValueAsBytes(json);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a manifest of strings and numbers can always be written", e);
        }
    }

    /**
     * A manifest as it was read.
     *
     * @param shards version of the shards that it names
     * @param documents of version 1, by the shard's name: the lengths of the documents in it, in tokens
     */
    record Decoded(Manifest manifest, int shards, Map<String, int[]> documents) {}

    static Decoded decode(byte[] bytes, String name) {
        try {
            // A duplicate of a key, or bytes after the object, would not show in the checksum.
            JsonNode tree = JSON.reader()
                    .with(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .readTree(bytes);
            if (!(tree instanceof ObjectNode json)
                    || !FORMAT.equals(json.path("format").asText())) {
                throw new DataException(String.format(
                        Locale.ROOT, "%s is not the manifest of a shard set; restore it or run prepare again", name));
            }
            int version = json.path("version").asInt();
            if (version != VERSION && version != WITH_DOCUMENTS) {
                throw new DataException(String.format(
                        Locale.ROOT,
                        "%s is a manifest of version %d, where this Kindling reads versions %d and %d; run prepare again, or use the Kindling that wrote it",
                        name,
                        version,
                        WITH_DOCUMENTS,
                        VERSION));
            }
            JsonNode crc32c = json.remove("crc32c");
            if (crc32c == null || !crc32c.asText().equals(checksum(json))) {
                throw new DataException(String.format(
                        Locale.ROOT,
                        "%s was altered: it does not have the checksum it was written with; restore it or run prepare again",
                        name));
            }
            json.remove(List.of("format", "version"));
            Map<String, int[]> documents = version == WITH_DOCUMENTS ? takeDocuments(json) : Map.of();
            return new Decoded(
                    JSON.treeToValue(json, Manifest.class),
                    version == WITH_DOCUMENTS ? ShardHeader.WITHOUT_BLOCKS : ShardHeader.VERSION,
                    documents);
        } catch (IOException e) {
            String why = e instanceof JsonProcessingException json ? json.getOriginalMessage() : e.getMessage();
            throw new DataException(
                    String.format(
                            Locale.ROOT,
                            "%s is truncated or altered (%s); restore it or run prepare again",
                            name,
                            why.replaceAll("\\s*\\R\\s*", " ")),
                    e);
        }
    }

    /** Puts the number of documents in the place of the list of their lengths. */
    private static Map<String, int[]> takeDocuments(ObjectNode json) throws JsonProcessingException {
        Map<String, int[]> documents = new HashMap<>();
        for (JsonNode shards : json.path("splits")) {
            for (JsonNode shard : shards) {
                int[] lengths = JSON.treeToValue(shard.path("documents"), int[].class);
                documents.put(shard.path("name").asText(), lengths);
                ((ObjectNode) shard).put("documents", lengths.length);
            }
        }
        return documents;
    }

    private static String checksum(ObjectNode json) throws JsonProcessingException {
        CRC32C crc = new CRC32C();
        crc.update(JSON.writeValueAsString(json).getBytes(StandardCharsets.UTF_8));
        return String.format(Locale.ROOT, "%08x", (int) crc.getValue());
    }
}
