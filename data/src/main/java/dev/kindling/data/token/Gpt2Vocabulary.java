package dev.kindling.data.token;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;

/**
 * GPT-2's vocabulary as tokens and merges, from the ranks that jtokkit ships. A merge is found for each token as the two
 * parts that are left of it when only lower ranks may be merged.
 */
final class Gpt2Vocabulary {
    private static final int BYTES = 256;

    private Gpt2Vocabulary() {}

    static ByteLevelBpeTokenizer of(BpeTokenizer gpt2) {
        List<String> tokens = new ArrayList<>();
        List<String> merges = new ArrayList<>();
        Map<String, Integer> ranks = new HashMap<>();
        for (int id = 0; id < BpeTokenizer.END_OF_TEXT; id++) {
            String token = ByteAlphabet.spell(gpt2.bytes(id));
            tokens.add(token);
            ranks.put(token, id);
        }
        for (int id = BYTES; id < tokens.size(); id++) {
            merges.add(merge(tokens.get(id), id, tokens, ranks));
        }
        tokens.add(new String(gpt2.bytes(BpeTokenizer.END_OF_TEXT), StandardCharsets.UTF_8));
        return ByteLevelBpeTokenizer.of(
                tokens, merges, Set.of(BpeTokenizer.END_OF_TEXT), OptionalInt.of(BpeTokenizer.END_OF_TEXT), "gpt2");
    }

    private static String merge(String token, int rank, List<String> tokens, Map<String, Integer> ranks) {
        int[] letters = token.chars()
                .map(letter -> ranks.get(Character.toString(letter)))
                .toArray();
        List<Integer> parts = new ArrayList<>();
        new WordMerger(letters, (left, right) -> {
                    Integer merged = ranks.get(tokens.get(left) + tokens.get(right));
                    return merged == null || merged >= rank ? WordMerger.NONE : WordMerger.merge(merged, merged);
                })
                .merge(parts);
        if (parts.size() != 2) {
            throw new IllegalStateException(String.format(Locale.ROOT, "token %d of gpt2 is no merge of two", rank));
        }
        return tokens.get(parts.get(0)) + " " + tokens.get(parts.get(1));
    }

    /** Whether a vocabulary gives GPT-2's ids: the same tokens, made in the same order. */
    static boolean is(ByteLevelBpeTokenizer candidate) {
        if (candidate.vocabSize() != BpeTokenizer.END_OF_TEXT + 1
                || !candidate.endOfText().equals(OptionalInt.of(BpeTokenizer.END_OF_TEXT))) {
            return false;
        }
        ByteLevelBpeTokenizer gpt2 = of(new BpeTokenizer());
        return gpt2.tokens().equals(candidate.tokens()) && gpt2.merges().equals(candidate.merges());
    }
}
