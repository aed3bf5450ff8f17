package dev.kindling.run;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/** How two vocabularies differ, given in their JSON form. */
final class VocabularyDifference {
    private static final int SHOWN = 8;

    private VocabularyDifference() {}

    /** "65 characters against 64, only there 'é', 'ü', only here '!'", or the tokenizers where these differ. */
    static String describe(JsonNode there, JsonNode here) {
        String theirs = there.path("tokenizer").asText("none");
        String ours = here.path("tokenizer").asText("none");
        Set<String> lost = characters(there);
        Set<String> gained = characters(here);
        if (!theirs.equals(ours) || lost.isEmpty() || gained.isEmpty()) {
            return String.format(Locale.ROOT, "tokenizer %s against %s", theirs, ours);
        }
        String sizes = String.format(Locale.ROOT, "%d characters against %d", lost.size(), gained.size());
        Set<String> common = new LinkedHashSet<>(lost);
        common.retainAll(gained);
        lost.removeAll(common);
        gained.removeAll(common);
        return sizes + only("there", lost) + only("here", gained);
    }

    private static Set<String> characters(JsonNode tokenizer) {
        Set<String> characters = new LinkedHashSet<>();
        tokenizer.path("characters").forEach(character -> characters.add(character.asText()));
        return characters;
    }

    private static String only(String where, Set<String> characters) {
        if (characters.isEmpty()) {
            return "";
        }
        String shown = characters.stream()
                .limit(SHOWN)
                .map(VocabularyDifference::quoted)
                .collect(Collectors.joining(", "));
        return ", only " + where + " " + shown + (characters.size() > SHOWN ? " ..." : "");
    }

    /** One line, whatever the character. */
    private static String quoted(String character) {
        int codePoint = character.codePointAt(0);
        return Character.isISOControl(codePoint) || Character.isWhitespace(codePoint)
                ? String.format(Locale.ROOT, "U+%04X", codePoint)
                : "'" + character + "'";
    }
}
