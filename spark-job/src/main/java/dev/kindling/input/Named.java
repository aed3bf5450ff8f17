package dev.kindling.input;

import dev.kindling.config.ConfigException;
import dev.kindling.config.DataSection;
import dev.kindling.storage.PathException;
import dev.kindling.storage.Storage;
import java.io.File;
import java.io.IOException;
import java.io.Serializable;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * Text or a table that the user named to be read. A path is a name, never a pattern, whatever characters it has.
 *
 * @param option that named it
 * @param path as it was written
 * @param column of a table that holds the text; null for text
 * @param idColumn of a table that holds the documents' ids; null for the row's place
 */
public record Named(Option option, String path, String column, String idColumn) implements Serializable {
    /** How users name what is read, for errors. */
    public enum Option {
        DATA("--data", "--column", "give text files or a table"),
        CORPUS("--corpus", "--column", "give shakespeare, text files or a table"),
        CORPUS_KEY(
                "data.corpus",
                "data.column",
                "set data.corpus to shakespeare, a text file, a table, or a folder of text or shards"),
        PROMPTS("--prompts", "", "give a file of prompts"),
        TASK("--task", "", "give a file of items, as JSON lines");

        private final String words;
        private final String columnOption;
        private final String advice;

        Option(String words, String columnOption, String advice) {
            this.words = words;
            this.columnOption = columnOption;
            this.advice = advice;
        }
    }

    /** {@code data.corpus} and {@code data.column}. */
    public static Named corpus(DataSection data) {
        return new Named(Option.CORPUS_KEY, data.corpus(), data.column().isEmpty() ? null : data.column(), null);
    }

    /** {@code --corpus} and {@code --column}. */
    public static Named corpusOption(String path, Optional<String> column) {
        return new Named(Option.CORPUS, path, column.orElse(null), null);
    }

    /** {@code --data}, {@code --column} and {@code --id-column}. */
    public static Named data(String path, Optional<String> column, Optional<String> idColumn) {
        return new Named(Option.DATA, path, column.orElse(null), idColumn.orElse(null));
    }

    /** {@code --prompts}. */
    public static Named prompts(String path) {
        return new Named(Option.PROMPTS, path, null, null);
    }

    /** {@code --task}. */
    public static Named task(String path) {
        return new Named(Option.TASK, path, null, null);
    }

    /** What names the column of text, for errors. */
    public String columnOption() {
        return option.columnOption;
    }

    /**
     * The qualified path: local if there is such a file, else on Hadoop's default file system.
     *
     * @throws PathException if no file can have that name
     */
    public Path resolve(Configuration hadoop) throws IOException {
        File local = new File(path);
        try {
            Path named = local.exists() ? new Path("file", null, local.getAbsolutePath()) : new Path(path);
            return Storage.of(named, hadoop).files().makeQualified(named);
        } catch (IllegalArgumentException e) { // Hadoop's, of what is neither a local name nor a URI
            throw missing(e);
        }
    }

    PathException missing(Exception cause) {
        return new PathException(cause, "%s does not exist; %s", this, option.advice);
    }

    /**
     * Fails where a job would write into the folder that it reads.
     *
     * @param out a qualified path
     * @throws ConfigException if {@code out} is in it, or there is none
     */
    public void requireOutside(Path out, Configuration hadoop) throws IOException {
        Path root = resolve(hadoop);
        if (!Storage.of(root, hadoop).files().getFileStatus(root).isDirectory()) {
            return;
        }
        for (Path folder = out; folder != null; folder = folder.getParent()) {
            if (folder.equals(root)) {
                throw new ConfigException(
                        "%s is inside %s, which would be read the next time; choose another --out", out, this);
            }
        }
    }

    /** As errors call it: {@code --data x}. */
    @Override
    public String toString() {
        return (option == Option.CORPUS_KEY || option == Option.CORPUS ? "corpus" : option.words) + " " + path;
    }
}
