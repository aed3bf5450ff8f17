package dev.kindling.data.corpus;

import java.util.Objects;

/**
 * One piece of text that belongs together: a scene, a file, a row of a table.
 *
 * @param id unique in its corpus and the same on every run, such as {@code hamlet/act-1/scene-1}
 * @param text may be empty
 */
public record Document(String id, String text) {
    public Document {
        Objects.requireNonNull(id, "id");
        Objects.requireNonNull(text, "text");
    }
}
