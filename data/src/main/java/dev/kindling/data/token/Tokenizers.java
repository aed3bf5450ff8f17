package dev.kindling.data.token;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.data.DataException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** Makes tokenizers, by their configured name or from a saved vocabulary. */
public final class Tokenizers {
    private static final JsonMapper JSON = new JsonMapper();

    private Tokenizers() {}

    /** The vocabulary as JSON text, on one line. */
    public static String toJson(Tokenizer tokenizer) {
        return write(tokenizer.toJson());
    }

    /**
     * The inverse of {@link #toJson(Tokenizer)}.
     *
     * @param name what errors call the source: a file, and the key in it
     * @throws DataException if the text is not a vocabulary
     */
    public static Tokenizer fromJson(String json, String name) {
        try {
            return fromJson(JSON.readTree(json), name);
        } catch (JsonProcessingException e) {
            throw new DataException(
                    e, "%s is not JSON (%s); restore it or run prepare again", name, DataException.reason(e));
        }
    }

    /** The inverse of {@link Tokenizer#toJson()}; see {@link #fromJson(String, String)}. */
    public static Tokenizer fromJson(JsonNode json, String name) {
        String id = json.path("tokenizer").asText();
        return switch (id) {
            case CharTokenizer.ID -> CharTokenizer.fromJson(json, name);
            case BpeTokenizer.ID -> BpeTokenizer.fromJson(json, name);
            case ByteLevelBpeTokenizer.ID -> ByteLevelBpeTokenizer.fromJson(json, name);
            default -> throw unknown(name, id);
        };
    }

    private static DataException unknown(String where, String id) {
        return new DataException(
                "%s: no tokenizer is called '%s'; use %s or %s", where, id, CharTokenizer.ID, BpeTokenizer.ID);
    }

    static int checkId(Tokenizer tokenizer, int id, int position) {
        if (id < 0 || id >= tokenizer.vocabSize()) {
            throw new DataException(
                    "id %,d at position %,d is outside the %s vocabulary of %,d ids; the model and the tokenizer do not belong together",
                    id, position, tokenizer.id(), tokenizer.vocabSize());
        }
        return id;
    }

    static long hash(JsonNode vocabulary) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256")
                    .digest(write(vocabulary).getBytes(StandardCharsets.UTF_8));
            return ByteBuffer.wrap(digest).getLong();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    private static String write(JsonNode json) {
        try {
            return JSON.writeValueAsString(json);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree of strings and numbers can always be written", e);
        }
    }
}
