package dev.kindling.run;

import dev.kindling.config.ConfigException;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.Locale;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * A directory of results that appears whole or not at all: written beside its place under a name of its own, then
 * renamed. Closed before {@link #publish}, it leaves nothing.
 */
public final class StagedDirectory implements AutoCloseable {
    private final Path out;
    private final Path staged;
    private final Storage storage;
    private boolean published;

    private StagedDirectory(Path out, Storage storage) {
        this.out = out;
        this.staged = RunPath.child(out.getParent(), "." + out.getName() + "." + UUID.randomUUID());
        this.storage = storage;
    }

    /**
     * A directory for results, to appear at a location as the user wrote it. Nothing is created yet.
     *
     * @throws ConfigException if something exists there, or nothing can be made there
     */
    public static StagedDirectory at(String location, Configuration hadoop) throws IOException {
        Path out = RunPath.absolute(location, hadoop);
        Storage storage = Storage.of(out, hadoop);
        try {
            if (storage.files().exists(out)) {
                throw new ConfigException(String.format(Locale.ROOT, "%s exists already; choose another --out", out));
            }
            requireFolderAbove(out, storage.files());
        } catch (IOException e) {
            throw new ConfigException(
                    String.format(Locale.ROOT, "cannot look at %s (%s); choose another --out", out, e.getMessage()), e);
        }
        return new StagedDirectory(out, storage);
    }

    private static void requireFolderAbove(Path out, FileSystem files) throws IOException {
        Path above = out.getParent();
        while (above != null && !files.exists(above)) {
            above = above.getParent();
        }
        if (above != null && !files.getFileStatus(above).isDirectory()) {
            throw new ConfigException(String.format(
                    Locale.ROOT, "cannot make %s, because %s is no directory; choose another --out", out, above));
        }
    }

    /** The path of the results once they are published. */
    public Path out() {
        return out;
    }

    /** The path to write the results to. */
    public Path path() {
        return staged;
    }

    /** The path to write one of the results to. */
    public Path path(String name) {
        return new Path(staged, name);
    }

    /** Writes one of the results. */
    public void write(String name, String text) throws IOException {
        storage.write(path(name), text);
    }

    /** Deletes an intermediate file or folder. */
    public void delete(String name) throws IOException {
        storage.files().delete(path(name), true);
    }

    /**
     * Makes the results appear. Call it when they are complete.
     *
     * @throws ConfigException if something else has appeared there in the meantime; it stays as it is
     */
    public void publish() throws IOException {
        published = storage.publish(staged, out);
        if (!published) {
            throw new ConfigException(String.format(
                    Locale.ROOT,
                    "%s has appeared while its results were being made, as of a second command with the same --out; it stays as it is, and these results are dropped: choose another --out",
                    out));
        }
    }

    @Override
    public void close() throws IOException {
        if (!published) {
            storage.files().delete(staged, true);
        }
    }
}
