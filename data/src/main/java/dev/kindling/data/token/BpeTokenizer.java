package dev.kindling.data.token;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.knuddels.jtokkit.Encodings;
import com.knuddels.jtokkit.api.Encoding;
import com.knuddels.jtokkit.api.EncodingType;
import com.knuddels.jtokkit.api.IntArrayList;
import dev.kindling.data.DataException;
import java.util.OptionalInt;

/**
 * GPT-2's byte pair encoding, 50257 ids, the same as tiktoken's {@code gpt2} with {@code
 * encode_ordinary}: text that looks like a special token is encoded as ordinary text. Building one
 * takes some 100 ms, since the merges are loaded.
 */
public final class BpeTokenizer implements Tokenizer {
    public static final String ID = "gpt2";
    public static final int END_OF_TEXT = 50_256;

    private static final int VOCAB_SIZE = 50_257;

    private final Encoding encoding;

    public BpeTokenizer() {
        // jtokkit's r50k_base holds GPT-2's ranks; its registry would load every other encoding too.
        encoding = Encodings.newLazyEncodingRegistry().getEncoding(EncodingType.R50K_BASE);
    }

    @Override
    public String id() {
        return ID;
    }

    @Override
    public int vocabSize() {
        return VOCAB_SIZE;
    }

    @Override
    public TextCuts cuts() {
        return TextCuts.GPT2;
    }

    @Override
    public OptionalInt endOfText() {
        return OptionalInt.of(END_OF_TEXT);
    }

    @Override
    public int[] encode(String text) {
        return encoding.encodeOrdinary(text).toArray();
    }

    /** Bytes that are not UTF-8, as at the end of a sample cut within a character, become U+FFFD. */
    @Override
    public String decode(int[] ids) {
        IntArrayList list = new IntArrayList(ids.length);
        for (int position = 0; position < ids.length; position++) {
            list.add(Tokenizers.checkId(this, ids[position], position));
        }
        return encoding.decode(list);
    }

    /** The bytes of one token. */
    byte[] bytes(int id) {
        IntArrayList one = new IntArrayList(1);
        one.add(id);
        return encoding.decodeBytes(one);
    }

    @Override
    public long utf8Length(int[] ids) {
        IntArrayList list = new IntArrayList(ids.length);
        for (int position = 0; position < ids.length; position++) {
            if (Tokenizers.checkId(this, ids[position], position) != END_OF_TEXT) {
                list.add(ids[position]);
            }
        }
        return encoding.decodeBytes(list).length;
    }

    @Override
    public JsonNode toJson() {
        return JsonNodeFactory.instance.objectNode().put("tokenizer", ID).put("vocab_size", VOCAB_SIZE);
    }

    static BpeTokenizer fromJson(JsonNode json, String name) {
        int vocabSize = json.path("vocab_size").asInt();
        if (vocabSize != VOCAB_SIZE) {
            throw new DataException(
                    "%s: a gpt2 vocabulary of %,d ids, where %,d are known; the file was altered or written by another version: restore it or run prepare again",
                    name, vocabSize, VOCAB_SIZE);
        }
        return new BpeTokenizer();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof BpeTokenizer;
    }

    @Override
    public int hashCode() {
        return VOCAB_SIZE;
    }

    @Override
    public String toString() {
        return "gpt2 (50,257 byte pairs)";
    }
}
