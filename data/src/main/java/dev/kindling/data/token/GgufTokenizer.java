package dev.kindling.data.token;

import dev.kindling.data.DataException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** Tokenizers as the keys {@code tokenizer.ggml.*} of a GGUF file, by which llama.cpp gives the same ids. */
public final class GgufTokenizer {
    private static final int NORMAL = 1;
    private static final int CONTROL = 3;

    private GgufTokenizer() {}

    /**
     * The keys and their values: strings, numbers, lists of strings and arrays of numbers.
     *
     * @throws DataException if llama.cpp cannot express the vocabulary
     */
    public static Map<String, Object> metadata(Tokenizer tokenizer) {
        if (tokenizer instanceof CharTokenizer characters) {
            return characters(characters);
        }
        ByteLevelBpeTokenizer bpe =
                tokenizer instanceof ByteLevelBpeTokenizer own ? own : Gpt2Vocabulary.of((BpeTokenizer) tokenizer);
        int end = bpe.endOfText()
                .orElseThrow(
                        () -> new DataException(
                                "the vocabulary has no end of text, and llama.cpp takes token 11 for"
                                        + " it where none is named; use a vocabulary that has one, or export for transformers"));
        int[] types = IntStream.range(0, bpe.vocabSize())
                .map(id -> bpe.special().contains(id) ? CONTROL : NORMAL)
                .toArray();
        Map<String, Object> keys = keys("gpt2", bpe.tokens(), types);
        keys.put("tokenizer.ggml.pre", "gpt-2");
        keys.put("tokenizer.ggml.merges", bpe.merges());
        keys.put("tokenizer.ggml.bos_token_id", end);
        keys.put("tokenizer.ggml.eos_token_id", end);
        return keys;
    }

    /**
     * Of llama.cpp's kinds only RWKV's, the longest token first, may be without an end of text. It refuses a character that
     * is not there by the token -1; beside characters that are not ASCII it may not end over one.
     */
    private static Map<String, Object> characters(CharTokenizer tokenizer) {
        List<String> tokens = IntStream.of(tokenizer.codePoints())
                .mapToObj(GgufTokenizer::escape)
                .toList();
        return keys(
                "rwkv",
                tokens,
                IntStream.range(0, tokens.size()).map(id -> NORMAL).toArray());
    }

    private static String escape(int codePoint) {
        return switch (codePoint) {
            case '\\' -> "\\\\";
            case '\n' -> "\\n";
            case '\r' -> "\\r";
            case '\t' -> "\\t";
            case 0 -> "\\x00";
            default -> CharTokenizer.whole(codePoint);
        };
    }

    private static Map<String, Object> keys(String model, List<String> tokens, int[] types) {
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("tokenizer.ggml.model", model);
        keys.put("tokenizer.ggml.tokens", tokens);
        keys.put("tokenizer.ggml.token_type", types);
        keys.put("tokenizer.ggml.add_bos_token", false);
        return keys;
    }
}
