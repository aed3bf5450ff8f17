package dev.kindling.input;

import java.util.List;

/** What a file holds, by its name without a compression's ending. */
public enum Format {
    TEXT("text"),
    JSON("JSON lines"),
    PARQUET("Parquet");

    private static final List<String> JSON_LINES = List.of(".jsonl", ".ndjson");

    private final String words;

    Format(String words) {
        this.words = words;
    }

    static Format of(String name) {
        String inner = FileCompression.of(name).inner(name);
        if (inner.endsWith(".parquet")) {
            return PARQUET;
        }
        return isJsonLines(name) || inner.endsWith(".json") ? JSON : TEXT;
    }

    /** Whether the name says that every line is a JSON value, which {@code .json} does not. */
    static boolean isJsonLines(String name) {
        return JSON_LINES.stream().anyMatch(FileCompression.of(name).inner(name)::endsWith);
    }

    /** For messages. */
    @Override
    public String toString() {
        return words;
    }
}
