package dev.kindling.data.token;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.OptionalInt;

/**
 * Text to ids and back. Immutable, safe to share between threads. {@code decode(encode(text))} is
 * {@code text} for every text that can be encoded.
 */
public sealed interface Tokenizer permits CharTokenizer, BpeTokenizer, ByteLevelBpeTokenizer {
    /** As configured and as written to shards: {@code char}, {@code gpt2} or {@code bpe}. At most 16 ASCII letters. */
    String id();

    /** Ids are 0 to vocabSize - 1. */
    int vocabSize();

    /**
     * The ids of a text.
     *
     * @throws dev.kindling.data.DataException if the vocabulary cannot express the text
     */
    int[] encode(String text);

    /** Where a text may be cut to be encoded piece by piece. */
    TextCuts cuts();

    /**
     * The text of ids, such as a model's sample.
     *
     * @throws dev.kindling.data.DataException if an id is not in the vocabulary
     */
    String decode(int[] ids);

    /** Bytes of UTF-8 that the text of {@code ids} takes; an end of text takes none. */
    long utf8Length(int[] ids);

    /** The id that is put after each whole document, where the vocabulary has one. */
    OptionalInt endOfText();

    /** The vocabulary, as it stands in manifests and checkpoints; {@link Tokenizers#fromJson} reads it. */
    JsonNode toJson();

    /**
     * Tells vocabularies apart: equal for two tokenizers if and only if (but for a hash collision) they
     * give the same ids. The first 8 bytes of the SHA-256 of {@link #toJson()}, big-endian.
     */
    default long vocabularyHash() {
        return Tokenizers.hash(toJson());
    }
}
