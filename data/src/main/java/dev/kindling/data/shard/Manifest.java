package dev.kindling.data.shard;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.data.DataException;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.zip.CRC32C;
import java.util.zip.CheckedOutputStream;

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

    /** The file's keys in their order; the checksum is of those before it. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    private record File(
            String format,
            int version,
            String corpus,
            JsonNode tokenizer,
            Map<String, List<ShardInfo>> splits,
            String crc32c) {}

    /** Writes it as it comes, so that it is not held a second time; the stream stays open. */
    void writeTo(OutputStream out) throws IOException {
        CRC32C crc = new CRC32C();
        JSON.writeValue(checked(crc), new File(FORMAT, VERSION, corpus, tokenizer, splits, null));
        JSON.writer()
                .without(JsonGenerator.Feature.AUTO_CLOSE_TARGET)
                .writeValue(out, new File(FORMAT, VERSION, corpus, tokenizer, splits, hex(crc)));
    }

    /** Where the compact form goes that the checksum is of. */
    static Writer checked(CRC32C crc) {
        OutputStream nowhere = OutputStream.nullOutputStream();
        return new BufferedWriter(
                new OutputStreamWriter(new CheckedOutputStream(nowhere, crc), StandardCharsets.UTF_8));
    }

    static String hex(CRC32C crc) {
        return String.format(Locale.ROOT, "%08x", (int) crc.getValue());
    }

    /**
     * A manifest as it was read.
     *
     * @param shards version of the shards that it names
     * @param documents of version 1, by the shard's name: the lengths of the documents in it, in tokens
     */
    record Decoded(Manifest manifest, int shards, Map<String, int[]> documents) {}

    static Decoded decode(InputStream in, String name) throws IOException {
        try {
            ManifestReader read = ManifestReader.read(in, JSON);
            ObjectNode head = read.head();
            if (!FORMAT.equals(head.path("format").asText())) {
                throw new DataException("%s is not the manifest of a shard set; restore it or run prepare again", name);
            }
            int version = head.path("version").asInt();
            if (version != VERSION && version != WITH_DOCUMENTS) {
                throw new DataException(
                        "%s is a manifest of version %d, where this Kindling reads versions %d and %d; run prepare again, or use the Kindling that wrote it",
                        name, version, WITH_DOCUMENTS, VERSION);
            }
            if (!read.isIntact()) {
                throw new DataException(
                        "%s was altered: it does not have the checksum it was written with; restore it or run prepare again",
                        name);
            }
            Manifest manifest = new Manifest(head.path("corpus").asText(), head.path("tokenizer"), read.splits());
            return new Decoded(
                    manifest,
                    version == WITH_DOCUMENTS ? ShardHeader.WITHOUT_BLOCKS : ShardHeader.VERSION,
                    read.documents());
        } catch (JsonProcessingException e) {
            throw new DataException(
                    e,
                    "%s is truncated or altered (%s); restore it or run prepare again",
                    name,
                    DataException.reason(e));
        }
    }
}
