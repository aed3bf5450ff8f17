package dev.kindling.data.token;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.data.DataException;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Byte pair encoding over UTF-8 with a vocabulary of its own, as Hugging Face's {@code ByteLevelBPETokenizer} trains it:
 * GPT-2's pattern cuts a text into words, and in each word the merge that comes first in the list is made first. Text
 * that looks like a special token is encoded as ordinary text.
 *
 * <p>This is read and run here, in Java, not by Hugging Face's library: the GPT-2 family needs nothing but this one
 * pattern and a list of merges, and the library would bring 18 MB of natives for a few platforms.
 */
public final class ByteLevelBpeTokenizer implements Tokenizer {
    public static final String ID = "bpe";

    /** GPT-2's; possessive, as the parts exclude each other, and with Unicode's white space. */
    private static final Pattern WORD =
            Pattern.compile("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}++| ?\\p{N}++| ?[^\\p{IsWhite_Space}\\p{L}\\p{N}]++"
                    + "|\\p{IsWhite_Space}+(?!\\P{IsWhite_Space})|\\p{IsWhite_Space}+");

    private final List<String> tokens;
    private final List<String> merges;
    private final Set<Integer> special;
    private final OptionalInt endOfText;
    private final byte[][] bytes;
    private final int[] byteIds = new int[256];
    private final Map<Long, Merge> mergeOf = new HashMap<>();

    private record Merge(int rank, int merged) {}

    /**
     * A vocabulary.
     *
     * @param tokens by id: ordinary ones in {@link ByteAlphabet}'s spelling, special ones as they are shown
     * @param merges two tokens with a space between them, the first to be made first
     * @param special ids of special tokens
     * @param endOfText one of those
     * @param name what errors call the source
     * @throws DataException if they do not fit together
     */
    static ByteLevelBpeTokenizer of(
            List<String> tokens, List<String> merges, Set<Integer> special, OptionalInt endOfText, String name) {
        return new ByteLevelBpeTokenizer(tokens, merges, new TreeSet<>(special), endOfText, name);
    }

    private ByteLevelBpeTokenizer(
            List<String> tokens, List<String> merges, Set<Integer> special, OptionalInt endOfText, String name) {
        this.tokens = List.copyOf(tokens);
        this.merges = List.copyOf(merges);
        this.special = special;
        this.endOfText = endOfText;
        bytes = new byte[tokens.size()][];
        Arrays.fill(byteIds, -1);
        Map<String, Integer> ids = new HashMap<>();
        for (int id = 0; id < bytes.length; id++) {
            String token = tokens.get(id);
            bytes[id] = special.contains(id) ? token.getBytes(StandardCharsets.UTF_8) : ByteAlphabet.bytes(token);
            if (bytes[id] == null || bytes[id].length == 0 || ids.put(token, id) != null) {
                throw damaged(
                        name,
                        String.format(
                                Locale.ROOT,
                                "token %d, %s, is empty, twice there, or not spelt in bytes",
                                id,
                                JsonNodeFactory.instance.textNode(token)));
            }
            if (bytes[id].length == 1 && !special.contains(id)) {
                byteIds[bytes[id][0] & 0xff] = id;
            }
        }
        if (!special.stream().allMatch(id -> id >= 0 && id < bytes.length)
                || (endOfText.isPresent() && !special.contains(endOfText.getAsInt()))) {
            throw damaged(name, "a special token is none of its tokens");
        }
        for (int rank = 0; rank < merges.size(); rank++) {
            addMerge(merges.get(rank), rank, ids, name);
        }
    }

    private void addMerge(String merge, int rank, Map<String, Integer> ids, String name) {
        int space = merge.indexOf(' ');
        Integer left = space < 0 ? null : ids.get(merge.substring(0, space));
        Integer right = space < 0 ? null : ids.get(merge.substring(space + 1));
        Integer merged = space < 0 ? null : ids.get(merge.substring(0, space) + merge.substring(space + 1));
        if (left == null || right == null || merged == null) {
            throw damaged(
                    name,
                    String.format(
                            Locale.ROOT,
                            "merge %d, %s, is not of two tokens whose sum is a token",
                            rank,
                            JsonNodeFactory.instance.textNode(merge)));
        }
        mergeOf.putIfAbsent(key(left, right), new Merge(rank, merged));
    }

    private static DataException damaged(String name, String why) {
        return new DataException("%s: %s; restore the vocabulary", name, why);
    }

    private static long key(int left, int right) {
        return ((long) left << Integer.SIZE) | right;
    }

    @Override
    public String id() {
        return ID;
    }

    @Override
    public int vocabSize() {
        return bytes.length;
    }

    @Override
    public TextCuts cuts() {
        return TextCuts.GPT2;
    }

    @Override
    public OptionalInt endOfText() {
        return endOfText;
    }

    List<String> tokens() {
        return tokens;
    }

    List<String> merges() {
        return merges;
    }

    Set<Integer> special() {
        return special;
    }

    @Override
    public int[] encode(String text) {
        List<Integer> ids = new ArrayList<>();
        Matcher word = WORD.matcher(text);
        while (word.find()) {
            encodeWord(word.group(), ids);
        }
        return ids.stream().mapToInt(Integer::intValue).toArray();
    }

    private void encodeWord(String word, List<Integer> out) {
        byte[] utf8 = word.getBytes(StandardCharsets.UTF_8);
        int[] ids = new int[utf8.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = byteIds[utf8[i] & 0xff];
            if (ids[i] < 0) {
                throw new DataException(
                        "byte 0x%02x is not in the vocabulary; remove the text that has it, or use a vocabulary with all 256 bytes",
                        utf8[i]);
            }
        }
        new WordMerger(ids, (left, right) -> {
                    Merge merge = mergeOf.get(key(left, right));
                    return merge == null ? WordMerger.NONE : WordMerger.merge(merge.rank, merge.merged);
                })
                .merge(out);
    }

    @Override
    public String decode(int[] ids) {
        return new String(bytes(ids, true), StandardCharsets.UTF_8);
    }

    @Override
    public long utf8Length(int[] ids) {
        return bytes(ids, false).length;
    }

    private byte[] bytes(int[] ids, boolean withEnds) {
        ByteArrayOutputStream out = new ByteArrayOutputStream(4 * ids.length);
        for (int position = 0; position < ids.length; position++) {
            int id = Tokenizers.checkId(this, ids[position], position);
            if (withEnds || endOfText.isEmpty() || id != endOfText.getAsInt()) {
                out.writeBytes(bytes[id]);
            }
        }
        return out.toByteArray();
    }

    /** {@code {"tokenizer": "bpe", "tokens": [...], "merges": ["a b", ...], "special": [0], "end_of_text": 0}}. */
    @Override
    public JsonNode toJson() {
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("tokenizer", ID);
        tokens.forEach(json.putArray("tokens")::add);
        merges.forEach(json.putArray("merges")::add);
        special.forEach(json.putArray("special")::add);
        endOfText.ifPresent(id -> json.put("end_of_text", id));
        return json;
    }

    static ByteLevelBpeTokenizer fromJson(JsonNode json, String name) {
        Set<Integer> special = new TreeSet<>();
        json.path("special").forEach(id -> special.add(id.asInt(-1)));
        JsonNode end = json.path("end_of_text");
        return of(
                texts(json.path("tokens")),
                texts(json.path("merges")),
                special,
                end.isMissingNode() ? OptionalInt.empty() : OptionalInt.of(end.asInt(-1)),
                name);
    }

    private static List<String> texts(JsonNode array) {
        List<String> texts = new ArrayList<>();
        if (array instanceof ArrayNode) {
            array.forEach(text -> texts.add(text.asText()));
        }
        return texts;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof ByteLevelBpeTokenizer that
                && tokens.equals(that.tokens)
                && merges.equals(that.merges)
                && special.equals(that.special)
                && endOfText.equals(that.endOfText);
    }

    @Override
    public int hashCode() {
        return tokens.hashCode();
    }

    @Override
    public String toString() {
        return String.format(Locale.ROOT, "bpe (%,d byte pairs)", bytes.length);
    }
}
