package dev.kindling.interop;

import com.fasterxml.jackson.databind.JsonNode;
import dev.kindling.data.token.HuggingFaceTokenizer;
import dev.kindling.data.token.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Optional;

/** The tokenizer of a Hugging Face folder: {@code tokenizer.json}, or {@code vocab.json} and {@code merges.txt}. */
public final class HuggingFaceVocabulary {
    private static final String TOKENIZER = "tokenizer.json";
    private static final String VOCABULARY = "vocab.json";
    private static final String MERGES = "merges.txt";
    private static final String TOKENIZER_CONFIG = "tokenizer_config.json";

    private HuggingFaceVocabulary() {}

    /**
     * Reads it.
     *
     * @param size the {@code vocab_size} of the model
     * @throws ModelFileException if the folder has none, or one of another size
     * @throws dev.kindling.data.DataException if it is none that is supported
     */
    public static Tokenizer read(ModelFolder folder, int size) throws IOException {
        Tokenizer tokenizer = read(folder);
        if (tokenizer.vocabSize() != size) {
            throw new ModelFileException(String.format(
                    Locale.ROOT,
                    "%s: the tokenizer has %d ids, and config.json a vocab_size of %d; add the model's own tokenizer",
                    folder.path(""),
                    tokenizer.vocabSize(),
                    size));
        }
        return tokenizer;
    }

    private static Tokenizer read(ModelFolder folder) throws IOException {
        Optional<String> eos = folder.has(TOKENIZER_CONFIG)
                ? eos(folder.readJson(TOKENIZER_CONFIG).path("eos_token"))
                : Optional.empty();
        if (folder.has(TOKENIZER)) {
            return HuggingFaceTokenizer.read(text(folder, TOKENIZER), eos, folder.path(TOKENIZER));
        }
        if (folder.has(VOCABULARY) && folder.has(MERGES)) {
            return HuggingFaceTokenizer.read(
                    text(folder, VOCABULARY), text(folder, MERGES), eos, folder.path(VOCABULARY) + ", " + MERGES);
        }
        throw new ModelFileException(String.format(
                Locale.ROOT,
                "%s has no tokenizer: neither %s nor %s and %s; add those of the model",
                folder.path(""),
                TOKENIZER,
                VOCABULARY,
                MERGES));
    }

    /** An end of text is written as a string, or as an object with its content. */
    private static Optional<String> eos(JsonNode token) {
        JsonNode content = token.isObject() ? token.path("content") : token;
        return content.isTextual() ? Optional.of(content.asText()) : Optional.empty();
    }

    private static String text(ModelFolder folder, String file) throws IOException {
        return new String(folder.readAll(file), StandardCharsets.UTF_8);
    }
}
