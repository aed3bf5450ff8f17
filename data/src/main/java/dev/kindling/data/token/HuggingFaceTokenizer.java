package dev.kindling.data.token;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.data.DataException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * Tokenizers in Hugging Face's files: {@code tokenizer.json}, or {@code vocab.json} with {@code merges.txt}. Read are
 * byte-level BPE with GPT-2's pattern, and the characters that {@link #toJson} writes; what else such a file may ask for
 * is refused by name. Padding and truncation are settings of a caller's batches, and not read.
 */
public final class HuggingFaceTokenizer {
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private static final String END_OF_TEXT = "<|endoftext|>";
    /** Any one character. */
    private static final String ANY_CHARACTER = "[\\s\\S]";

    private HuggingFaceTokenizer() {}

    /**
     * The tokenizer of a {@code tokenizer.json}: {@code gpt2} if it is GPT-2's, {@code char} if it is one of
     * characters, else {@code bpe}.
     *
     * @param eosToken the end of text, where it is not {@code <|endoftext|>}
     * @param name what errors call the file
     * @throws DataException if it is damaged, or asks for what is not supported
     */
    public static Tokenizer read(String json, Optional<String> eosToken, String name) {
        JsonNode root = parse(json, name);
        JsonNode model = root.path("model");
        return switch (model.path("type").asText("BPE")) {
            case "BPE" -> readBpe(root, eosToken, name);
            case "WordLevel" -> readCharacters(root, name);
            default -> throw unsupported(name, "model.type " + model.path("type"));
        };
    }

    private static Tokenizer readBpe(JsonNode root, Optional<String> eosToken, String name) {
        JsonNode model = root.path("model");
        refuseUnless(isUnset(root.path("normalizer")), name, "normalizer", root.path("normalizer"));
        JsonNode cut = root.path("pre_tokenizer");
        boolean gpt2 = cut.path("type").asText().equals("ByteLevel")
                && cut.path("use_regex").asBoolean(true)
                && !cut.path("add_prefix_space").asBoolean(true);
        refuseUnless(gpt2, name, "pre_tokenizer", cut);
        JsonNode after = root.path("post_processor");
        boolean plain = isUnset(after) || after.path("type").asText().equals("ByteLevel");
        refuseUnless(plain, name, "post_processor", after);
        for (String key : List.of("dropout", "continuing_subword_prefix", "end_of_word_suffix")) {
            refuseUnless(isUnset(model.path(key)), name, "model." + key, model.path(key));
        }
        for (String key : List.of("ignore_merges", "byte_fallback")) {
            refuseUnless(!model.path(key).asBoolean(false), name, "model." + key, model.path(key));
        }
        List<String> merges = new ArrayList<>();
        for (JsonNode merge : model.path("merges")) { // "a b", or since 2024 ["a", "b"]
            merges.add(
                    merge.isArray()
                            ? merge.path(0).asText() + " " + merge.path(1).asText()
                            : merge.asText());
        }
        return bpe(model.path("vocab"), merges, new Added(root.path("added_tokens"), eosToken), name);
    }

    /** The added tokens of a file, and which of them ends a text. */
    private record Added(JsonNode tokens, Optional<String> eosToken) {}

    /**
     * The tokenizer of {@code vocab.json} and {@code merges.txt}.
     *
     * @param merges one a line, below a line that begins with {@code #version}
     * @param name what errors call the files
     * @throws DataException if they are damaged
     */
    public static Tokenizer read(String vocab, String merges, Optional<String> eosToken, String name) {
        JsonNode ids = parse(vocab, name);
        List<String> lines = merges.lines()
                .filter(line -> !line.isEmpty() && !line.startsWith("#version"))
                .toList();
        ArrayNode added = JsonNodeFactory.instance.arrayNode();
        Stream.of(eosToken.orElse(END_OF_TEXT))
                .filter(ids::has)
                .forEach(token -> added.addObject()
                        .put("content", token)
                        .put("special", true)
                        .set("id", ids.get(token)));
        return bpe(ids, lines, new Added(added, eosToken), name);
    }

    private static Tokenizer bpe(JsonNode vocab, List<String> merges, Added added, String name) {
        String[] tokens = new String[vocab.size() + added.tokens().size()];
        for (Map.Entry<String, JsonNode> entry : vocab.properties()) {
            place(tokens, entry.getKey(), entry.getValue(), name);
        }
        Set<Integer> special = new TreeSet<>();
        OptionalInt end = OptionalInt.empty();
        for (JsonNode token : added.tokens()) {
            String content = token.path("content").asText();
            refuseUnless(token.path("special").asBoolean(false), name, "an added token that is not special", token);
            place(tokens, content, token.path("id"), name);
            special.add(token.path("id").intValue());
            boolean ends = content.equals(END_OF_TEXT)
                    || (end.isEmpty() && content.equals(added.eosToken().orElse("")));
            end = ends ? OptionalInt.of(token.path("id").intValue()) : end;
        }
        int size = (int) Stream.of(tokens).takeWhile(token -> token != null).count();
        if (size == 0 || Stream.of(tokens).skip(size).anyMatch(token -> token != null)) {
            throw new DataException(
                    "%s: no token has id %d, though others have higher ones; restore the vocabulary", name, size);
        }
        ByteLevelBpeTokenizer tokenizer =
                ByteLevelBpeTokenizer.of(Arrays.asList(tokens).subList(0, size), merges, special, end, name);
        return Gpt2Vocabulary.is(tokenizer) ? new BpeTokenizer() : tokenizer;
    }

    private static void place(String[] tokens, String token, JsonNode node, String name) {
        int id = node.isInt() ? node.intValue() : -1;
        if (id < 0 || id >= tokens.length || (tokens[id] != null && !tokens[id].equals(token))) {
            throw new DataException(
                    "%s: token %s has id %s, which is no id from 0 to %d of its own; restore the vocabulary",
                    name, JsonNodeFactory.instance.textNode(token), node, tokens.length - 1);
        }
        tokens[id] = token;
    }

    private static Tokenizer readCharacters(JsonNode root, String name) {
        JsonNode cut = root.path("pre_tokenizer");
        refuseUnless(
                cut.path("pattern").path("Regex").asText().equals(ANY_CHARACTER) && isUnset(root.path("normalizer")),
                name,
                "pre_tokenizer of a WordLevel model",
                cut);
        JsonNode added = root.path("added_tokens");
        refuseUnless(added.isEmpty(), name, "added_tokens of a WordLevel model", added);
        JsonNode vocab = root.path("model").path("vocab");
        String[] characters = new String[vocab.size()];
        for (Map.Entry<String, JsonNode> entry : vocab.properties()) {
            place(characters, entry.getKey(), entry.getValue(), name);
        }
        ObjectNode own = JsonNodeFactory.instance.objectNode();
        Stream.of(characters).forEach(own.putArray("characters")::add);
        return CharTokenizer.fromJson(own, name);
    }

    private static JsonNode parse(String json, String name) {
        try {
            return JSON.readTree(json);
        } catch (JsonProcessingException e) {
            throw new DataException(e, "%s is not JSON (%s); restore it", name, DataException.reason(e));
        }
    }

    private static boolean isUnset(JsonNode node) {
        return node.isMissingNode()
                || node.isNull()
                || (node.isTextual() && node.asText().isEmpty());
    }

    private static void refuseUnless(boolean supported, String name, String what, JsonNode value) {
        if (!supported) {
            String shown = value.toString();
            throw unsupported(name, what + " " + (shown.length() > 120 ? shown.substring(0, 120) + "..." : shown));
        }
    }

    private static DataException unsupported(String name, String what) {
        return new DataException(
                "%s: %s is not supported; supported is byte-level BPE as GPT-2 has it (pre_tokenizer ByteLevel without a prefix space, no normalizer)",
                name, what);
    }

    /** The content of {@code tokenizer.json}, which gives the ids of this tokenizer. */
    public static ObjectNode toJson(Tokenizer tokenizer) {
        if (tokenizer instanceof CharTokenizer characters) {
            return charactersToJson(characters);
        }
        ByteLevelBpeTokenizer bpe =
                tokenizer instanceof ByteLevelBpeTokenizer own ? own : Gpt2Vocabulary.of((BpeTokenizer) tokenizer);
        ObjectNode root = root();
        for (int id : bpe.special()) {
            ObjectNode added = root.withArray("added_tokens").addObject();
            added.put("id", id).put("content", bpe.tokens().get(id));
            for (String flag : List.of("single_word", "lstrip", "rstrip", "normalized")) {
                added.put(flag, false);
            }
            added.put("special", true);
        }
        root.putNull("normalizer");
        for (String part : List.of("pre_tokenizer", "post_processor", "decoder")) {
            root.putObject(part)
                    .put("type", "ByteLevel")
                    .put("add_prefix_space", false)
                    .put("trim_offsets", !part.equals("post_processor"))
                    .put("use_regex", true);
        }
        ObjectNode model = root.putObject("model").put("type", "BPE");
        model.putNull("dropout").putNull("unk_token");
        model.put("continuing_subword_prefix", "").put("end_of_word_suffix", "");
        model.put("fuse_unk", false).put("byte_fallback", false);
        ObjectNode vocab = model.putObject("vocab");
        for (int id = 0; id < bpe.vocabSize(); id++) {
            vocab.put(bpe.tokens().get(id), id);
        }
        bpe.merges().forEach(model.putArray("merges")::add);
        return root;
    }

    private static ObjectNode root() {
        ObjectNode root = JsonNodeFactory.instance.objectNode().put("version", "1.0");
        root.putNull("truncation").putNull("padding").putArray("added_tokens");
        return root;
    }

    /** A word for each character; one that is not in the vocabulary is an error, as it is here, since no token stands for it. */
    private static ObjectNode charactersToJson(CharTokenizer tokenizer) {
        ObjectNode root = root();
        root.putNull("normalizer");
        ObjectNode cut = root.putObject("pre_tokenizer").put("type", "Split");
        cut.putObject("pattern").put("Regex", ANY_CHARACTER);
        cut.put("behavior", "Isolated").put("invert", false);
        root.putNull("post_processor");
        root.putObject("decoder").put("type", "Fuse");
        ObjectNode model = root.putObject("model").put("type", "WordLevel");
        ObjectNode vocab = model.putObject("vocab");
        int id = 0;
        for (int codePoint : tokenizer.codePoints()) {
            vocab.put(CharTokenizer.whole(codePoint), id++);
        }
        model.put("unk_token", "[UNK]");
        return root;
    }

    /** The content of {@code tokenizer_config.json}. */
    public static ObjectNode configJson(Tokenizer tokenizer, int blockSize) {
        ObjectNode json = JsonNodeFactory.instance
                .objectNode()
                .put("tokenizer_class", "PreTrainedTokenizerFast")
                .put("model_max_length", blockSize)
                .put("clean_up_tokenization_spaces", false);
        tokenizer.endOfText().ifPresent(id -> {
            String token = tokenizer.decode(new int[] {id});
            json.put("bos_token", token).put("eos_token", token).put("unk_token", token);
        });
        return json;
    }
}
