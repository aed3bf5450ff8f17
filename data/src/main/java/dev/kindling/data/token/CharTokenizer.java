package dev.kindling.data.token;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.data.DataException;
import java.util.Arrays;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/**
 * One id for each distinct character (Unicode code point) of the corpus, in ascending order, as
 * nanoGPT's {@code sorted(list(set(data)))}.
 */
public final class CharTokenizer implements Tokenizer {
    public static final String ID = "char";

    private final int[] codePoints;
    /** The ids of ASCII, negative where the vocabulary lacks one: the search takes most of encode's time. */
    private final int[] ascii = new int[0x80];

    private CharTokenizer(int[] codePoints) {
        this.codePoints = codePoints;
        Arrays.setAll(ascii, codePoint -> Arrays.binarySearch(codePoints, codePoint));
    }

    /**
     * The vocabulary of these code points, in any order and with repetitions: the union of what
     * several machines found.
     *
     * @throws DataException if there are none
     */
    public static CharTokenizer of(IntStream codePoints) {
        int[] distinct = codePoints.sorted().distinct().toArray();
        if (distinct.length == 0) {
            throw new DataException(
                    "a char vocabulary needs at least one character, but the corpus has none; set data.corpus to text that is not empty");
        }
        return new CharTokenizer(distinct);
    }

    /** The code point of each id, ascending. */
    int[] codePoints() {
        return codePoints.clone();
    }

    /**
     * A character, for files that other programs read.
     *
     * @throws DataException if it is half of one
     */
    static String whole(int codePoint) {
        if (Character.getType(codePoint) == Character.SURROGATE) {
            throw new DataException(
                    "the vocabulary has half a character (U+%04X), which no UTF-8 file can hold; train on text that is whole",
                    codePoint);
        }
        return Character.toString(codePoint);
    }

    @Override
    public String id() {
        return ID;
    }

    @Override
    public int vocabSize() {
        return codePoints.length;
    }

    @Override
    public TextCuts cuts() {
        return TextCuts.CHARACTERS;
    }

    @Override
    public OptionalInt endOfText() {
        return OptionalInt.empty();
    }

    @Override
    public int[] encode(String text) {
        int[] ids = new int[text.codePointCount(0, text.length())];
        int position = 0;
        for (int at = 0; at < text.length(); position++) {
            int codePoint = text.codePointAt(at);
            int id = codePoint < ascii.length ? ascii[codePoint] : Arrays.binarySearch(codePoints, codePoint);
            if (id < 0) {
                throw new DataException(
                        "character %s (U+%04X) at position %,d is not among the %,d of the char vocabulary; remove it from the text, or use a model trained on text that has it or with data.tokenizer gpt2",
                        quote(codePoint), codePoint, position, codePoints.length);
            }
            ids[position] = id;
            at += Character.charCount(codePoint);
        }
        return ids;
    }

    private static String quote(int codePoint) {
        return Character.isISOControl(codePoint) || Character.getType(codePoint) == Character.SURROGATE
                ? "(unprintable)"
                : "'" + Character.toString(codePoint) + "'";
    }

    @Override
    public String decode(int[] ids) {
        StringBuilder text = new StringBuilder(ids.length);
        for (int position = 0; position < ids.length; position++) {
            text.appendCodePoint(codePoints[Tokenizers.checkId(this, ids[position], position)]);
        }
        return text.toString();
    }

    @Override
    public long utf8Length(int[] ids) {
        long length = 0;
        for (int position = 0; position < ids.length; position++) {
            int codePoint = codePoints[Tokenizers.checkId(this, ids[position], position)];
            length += codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
        }
        return length;
    }

    /** {@code {"tokenizer": "char", "characters": ["\n", " ", ...]}}, in the order of the ids. */
    @Override
    public JsonNode toJson() {
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("tokenizer", ID);
        ArrayNode characters = json.putArray("characters");
        for (int codePoint : codePoints) {
            characters.add(Character.toString(codePoint));
        }
        return json;
    }

    static CharTokenizer fromJson(JsonNode json, String name) {
        JsonNode characters = json.path("characters");
        int[] codePoints = new int[characters.size()];
        for (int id = 0; id < codePoints.length; id++) {
            String character = characters.get(id).asText();
            boolean one = character.length() > 0 && character.codePointCount(0, character.length()) == 1;
            if (!one || (id > 0 && character.codePointAt(0) <= codePoints[id - 1])) {
                throw new DataException(
                        "%s: character %d of the vocabulary is not one character above its predecessor, so the file was altered; restore it or run prepare again",
                        name, id);
            }
            codePoints[id] = character.codePointAt(0);
        }
        if (codePoints.length == 0) {
            throw new DataException(
                    "%s: the char vocabulary has no characters, so the file was altered; restore it or run prepare again",
                    name);
        }
        return new CharTokenizer(codePoints);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof CharTokenizer that && Arrays.equals(codePoints, that.codePoints);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(codePoints);
    }

    @Override
    public String toString() {
        return String.format(Locale.ROOT, "char (%,d characters)", codePoints.length);
    }
}
