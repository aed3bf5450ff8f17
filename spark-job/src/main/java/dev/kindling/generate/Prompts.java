package dev.kindling.generate;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.data.DataException;
import dev.kindling.data.corpus.Document;
import dev.kindling.data.corpus.TextCorpus;
import dev.kindling.data.corpus.TextSource;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.prepare.CorpusListing;
import dev.kindling.storage.PathException;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * Reads a file of prompts: one per line or, if the name ends in .json or .jsonl, JSON lines with {@code prompt} and,
 * optionally, {@code id}. Empty lines are skipped.
 */
public final class Prompts {
    private static final JsonMapper JSON = new JsonMapper();

    private Prompts() {}

    /**
     * Reads and checks all prompts, so that a bad one is found before any is continued.
     *
     * @param skipBad keep bad prompts, with their problem
     * @throws DataException if the file cannot be read, has no prompts, or has a bad one and {@code skipBad} is
     *     false
     */
    public static List<Prompt> read(String location, Tokenizer tokenizer, boolean skipBad, Configuration hadoop) {
        boolean json = location.endsWith(".json") || location.endsWith(".jsonl");
        String[] lines = text(location, hadoop).split("\n", -1);
        List<Prompt> prompts = new ArrayList<>();
        for (int i = 0; i < lines.length; i++) {
            String line = lines[i].endsWith("\r") ? lines[i].substring(0, lines[i].length() - 1) : lines[i];
            if (!line.isBlank()) {
                prompts.add(prompt(prompts.size(), line, json, tokenizer));
                Prompt last = prompts.get(prompts.size() - 1);
                if (last.problem() != null && !skipBad) {
                    throw new DataException(
                            "line %,d of --prompts %s: %s; mend it, or pass it over with --on-error skip"
                                    .formatted(i + 1, location, last.problem()));
                }
            }
        }
        if (prompts.stream().allMatch(prompt -> prompt.problem() != null)) {
            throw new DataException("--prompts %s has no prompt that can be continued%s"
                    .formatted(
                            location,
                            prompts.isEmpty()
                                    ? ": it is empty"
                                    : ", the first because: " + prompts.get(0).problem()));
        }
        return prompts;
    }

    private static String text(String location, Configuration hadoop) {
        try {
            Path path = CorpusListing.resolve(location, hadoop);
            if (!Storage.of(path, hadoop).files().exists(path)) {
                throw new PathException("--prompts %s does not exist; give a file of prompts".formatted(location));
            }
            Document whole = TextCorpus.read(
                    location,
                    new TextSource(
                            path.getName(),
                            () -> Storage.of(path, hadoop).files().open(path)));
            return whole.text();
        } catch (IOException e) {
            throw new DataException(
                    "cannot read --prompts %s (%s); check that it exists and may be read"
                            .formatted(location, DataException.reason(e)),
                    e);
        }
    }

    private static Prompt prompt(long number, String line, boolean json, Tokenizer tokenizer) {
        String id = Long.toString(number);
        String text = line;
        try {
            if (json) {
                JsonNode node = JSON.readTree(line);
                id = node.path("id").asText(id);
                if (!node.path("prompt").isTextual()
                        || node.path("prompt").asText().isEmpty()) {
                    return new Prompt(number, id, "", "has no text in 'prompt'");
                }
                text = node.get("prompt").asText();
            }
            tokenizer.encode(text);
            return new Prompt(number, id, text, null);
        } catch (JsonProcessingException e) {
            return new Prompt(number, id, line, "is not JSON (" + e.getOriginalMessage() + ")");
        } catch (DataException e) {
            return new Prompt(number, id, text, e.getMessage());
        }
    }
}
