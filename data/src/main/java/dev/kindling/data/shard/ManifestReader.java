package dev.kindling.data.shard;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.util.JsonParserDelegate;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * Reads a manifest shard by shard, so that one of 100,000 shards takes little more than what it says; the checksum is taken
 * on the way, of the compact form of all that is read but for itself.
 */
final class ManifestReader {
    private static final String CHECKSUM = "crc32c";

    private final JsonMapper json;
    private final CRC32C crc = new CRC32C();
    private final ObjectNode head;
    private final Map<String, List<ShardInfo>> splits = new LinkedHashMap<>();
    private final Map<String, int[]> documents = new HashMap<>();
    private String checksum = "";
    private JsonProcessingException misfit;

    private ManifestReader(JsonMapper json) {
        this.json = json;
        head = json.createObjectNode();
    }

    /** @throws JsonProcessingException where it is no JSON object, or has a key twice, or bytes after its end */
    static ManifestReader read(InputStream in, JsonMapper json) throws IOException {
        ManifestReader reader = new ManifestReader(json);
        JsonParser strict =
                json.reader().with(StreamReadFeature.STRICT_DUPLICATE_DETECTION).createParser(in);
        try (JsonGenerator compact = json.createGenerator(Manifest.checked(reader.crc));
                Copying parser = new Copying(strict, compact)) {
            reader.readAll(parser, compact);
        }
        return reader;
    }

    /** What is neither a shard nor the checksum. */
    ObjectNode head() {
        return head;
    }

    boolean isIntact() {
        return checksum.equals(Manifest.hex(crc));
    }

    /**
     * The shards of each split.
     *
     * @throws JsonProcessingException where one has not the keys, or the values, of a {@link ShardInfo}
     */
    Map<String, List<ShardInfo>> splits() throws JsonProcessingException {
        if (misfit != null) {
            throw misfit;
        }
        return splits;
    }

    /** Of shards whose documents are listed here, by their names: the lengths of them in tokens. */
    Map<String, int[]> documents() {
        return documents;
    }

    private void readAll(Copying parser, JsonGenerator compact) throws IOException {
        if (parser.nextToken() != JsonToken.START_OBJECT) {
            return;
        }
        while (parser.nextKey() != JsonToken.END_OBJECT) {
            String key = parser.currentName();
            if (key.equals(CHECKSUM)) {
                checksum = parser.uncopiedText();
                continue;
            }
            compact.writeFieldName(key);
            parser.nextToken();
            if (key.equals("splits") && parser.hasToken(JsonToken.START_OBJECT)) {
                while (parser.nextToken() != JsonToken.END_OBJECT) {
                    readSplit(parser.currentName(), parser);
                }
            } else {
                head.set(key, parser.<JsonNode>readValueAsTree());
            }
        }
        compact.flush();
        parser.requireEnd();
    }

    private void readSplit(String name, Copying parser) throws IOException {
        List<ShardInfo> shards = new ArrayList<>();
        if (parser.nextToken() != JsonToken.START_ARRAY) {
            throw parser.unexpected("the shards of split " + name + " are no list");
        }
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            JsonNode shard = parser.readValueAsTree();
            try {
                shards.add(shard(shard));
            } catch (JsonProcessingException e) { // for after the checksum, which says more
                misfit = misfit == null ? e : misfit;
            }
        }
        splits.put(name, shards);
    }

    /** Of version 1, the number of documents takes the place of the list of their lengths. */
    private ShardInfo shard(JsonNode shard) throws JsonProcessingException {
        if (shard instanceof ObjectNode object && shard.path("documents") instanceof ArrayNode lengths) {
            documents.put(shard.path("name").asText(), json.treeToValue(lengths, int[].class));
            object.put("documents", lengths.size());
        }
        return json.treeToValue(shard, ShardInfo.class);
    }

    /** Writes what it reads to a generator. */
    private static final class Copying extends JsonParserDelegate {
        private final JsonGenerator to;

        Copying(JsonParser from, JsonGenerator to) {
            super(from);
            this.to = to;
        }

        @Override
        public JsonToken nextToken() throws IOException {
            JsonToken token = super.nextToken();
            if (token == null) {
                throw unexpected("it ends too early");
            }
            to.copyCurrentEvent(delegate);
            return token;
        }

        /** The next key of the outermost object, which is not written, or its end, which is. */
        JsonToken nextKey() throws IOException {
            JsonToken token = super.nextToken();
            if (token == null) {
                throw unexpected("it ends too early");
            }
            if (token == JsonToken.END_OBJECT) {
                to.writeEndObject();
            }
            return token;
        }

        /** The text after a key, not written. */
        String uncopiedText() throws IOException {
            super.nextToken();
            String text = delegate.getValueAsString("");
            delegate.skipChildren();
            return text;
        }

        void requireEnd() throws IOException {
            if (super.nextToken() != null) {
                throw unexpected("it goes on after its end");
            }
        }

        JsonProcessingException unexpected(String what) {
            return new JsonParseException(delegate, what);
        }
    }
}
