package dev.kindling.run;

import dev.kindling.config.ConfigException;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
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
     * For results that are to appear where the user says; makes nothing yet.
     *
     * @throws ConfigException if something is there already
     */
    public static StagedDirectory at(String location, Configuration hadoop) throws IOException {
        Path out = RunPath.absolute(location, hadoop);
        Storage storage = Storage.of(out, hadoop);
        try {
            if (storage.files().exists(out)) {
                throw new ConfigException("%s exists already; choose another --out".formatted(out));
            }
        } catch (IOException e) {
            throw new ConfigException("cannot look at %s (%s); choose another --out".formatted(out, e.getMessage()), e);
        }
        return new StagedDirectory(out, storage);
    }

    /** Where the results will be. */
    public Path out() {
        return out;
    }

    /** Where to write them. */
    public Path path() {
        return staged;
    }

    /** Where to write one of them. */
    public Path path(String name) {
        return new Path(staged, name);
    }

    /** Writes one of them. */
    public void write(String name, String text) throws IOException {
        storage.write(path(name), text);
    }

    /** Deletes what was written for the time being. */
    public void delete(String name) throws IOException {
        storage.files().delete(path(name), true);
    }

    /**
     * Shows the results, once they are whole.
     *
     * @throws ConfigException if something else has appeared there meanwhile, which stays as it is
     */
    public void publish() throws IOException {
        published = storage.publish(staged, out);
        if (!published) {
            throw new ConfigException(
                    "%s has appeared while its results were being made, as of a second command with the same --out; it stays as it is, and these results are dropped: choose another --out"
                            .formatted(out));
        }
    }

    @Override
    public void close() throws IOException {
        if (!published) {
            storage.files().delete(staged, true);
        }
    }
}
