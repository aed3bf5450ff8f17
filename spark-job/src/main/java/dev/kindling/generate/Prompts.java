package dev.kindling.generate;

import com.fasterxml.jackson.databind.JsonNode;
import dev.kindling.config.ConfigException;
import dev.kindling.data.DataException;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.input.Format;
import dev.kindling.input.InputFile;
import dev.kindling.input.Lines;
import dev.kindling.input.Named;
import dev.kindling.storage.PathException;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;

/**
 * A file of prompts: one a line, or, where its name ends in .json, .jsonl or .ndjson, JSON lines with {@code prompt} and, if
 * they like, {@code id}. Empty lines are passed over.
 */
public final class Prompts {
    private Prompts() {}

    /**
     * Reads and checks all prompts, so that a bad one is known before any is continued.
     *
     * @param skipBad keeps bad prompts, with their problem
     * @throws PathException if there is no file of that name
     * @throws ConfigException if it is of another format
     * @throws DataException if the file cannot be read, has no prompts, or one is bad
     */
    public static List<Prompt> read(String location, Tokenizer tokenizer, boolean skipBad, Configuration hadoop)
            throws IOException {
        InputFile file = InputFile.single(Named.prompts(location), hadoop);
        if (file.format() == Format.PARQUET) {
            throw new ConfigException(
                    "%s is a Parquet table; give a file with a prompt a line, or JSON lines", file.named());
        }
        List<Prompt> prompts = new ArrayList<>();
        try (InputStream in = file.content(hadoop)) {
            Lines lines = new Lines(in, 0);
            for (long number = 1; lines.next(); number++) {
                if (lines.isBlank()) {
                    continue;
                }
                Prompt prompt = prompt(prompts.size(), lines, file.format() == Format.JSON, tokenizer);
                if (prompt.problem() != null && !skipBad) {
                    throw new DataException(
                            "line %,d of %s: %s; mend it, or pass it over with --on-error skip",
                            number, file.named(), prompt.problem());
                }
                prompts.add(prompt);
            }
        } catch (IOException e) {
            throw file.unreadable(e);
        }
        if (prompts.stream().allMatch(prompt -> prompt.problem() != null)) {
            throw new DataException(
                    "%s has no prompt that can be continued%s",
                    file.named(),
                    prompts.isEmpty()
                            ? ": it is empty"
                            : ", the first because: " + prompts.get(0).problem());
        }
        return prompts;
    }

    private static Prompt prompt(long number, Lines lines, boolean json, Tokenizer tokenizer) {
        String id = Long.toString(number);
        String text = "";
        try {
            if (json) {
                JsonNode line = lines.object();
                id = line.has("id") ? Lines.text(line.get("id")) : id;
                JsonNode prompt = line.path("prompt");
                text = prompt.isTextual() ? Lines.text(prompt) : "";
                if (text.isEmpty()) {
                    return new Prompt(number, id, text, "has no text in 'prompt'");
                }
            } else {
                text = lines.text();
            }
            tokenizer.encode(text);
            return new Prompt(number, id, text, null);
        } catch (DataException e) {
            return new Prompt(number, id, text, e.getMessage());
        }
    }
}
