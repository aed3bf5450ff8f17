package dev.kindling.run;

import com.fasterxml.jackson.databind.JsonNode;
import dev.kindling.config.ConfigException;
import dev.kindling.data.StoreException;
import dev.kindling.storage.FileFault;
import dev.kindling.storage.NoSpaceException;
import dev.kindling.storage.Storage;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.util.ShutdownHookManager;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A directory of results that appears whole or not at all: written beside its place under a {@linkplain StagingName name
 * of its own}, then renamed. Closed before {@link #publish}, also by SIGINT or SIGTERM, it leaves nothing; what a killed
 * process has left is deleted by the next one on its host that makes the same results.
 */
public final class StagedDirectory implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(StagedDirectory.class);

    private final Path out;
    private final Path staged;
    private final Storage storage;
    private final Runnable onShutdown = this::discard;
    private boolean used;
    private boolean published;

    private StagedDirectory(Path out, Storage storage) {
        this.out = out;
        this.staged = RunPath.child(out.getParent(), StagingName.fresh(out.getName()));
        this.storage = storage;
    }

    /**
     * A directory for results, to appear at a location as the user wrote it. Nothing is left there yet.
     *
     * @throws ConfigException if something exists there, or nothing can be made there, which is tried: hours of work may go
     *     before the first result is written
     */
    public static StagedDirectory at(String location, Configuration hadoop) throws IOException {
        Path out = RunPath.absolute(location, hadoop);
        Storage storage = Storage.of(out, hadoop);
        StagedDirectory directory = new StagedDirectory(out, storage);
        Path above;
        try {
            if (storage.files().exists(out)) {
                throw new ConfigException("%s exists already; choose another --out", out);
            }
            above = folderAbove(out, storage.files());
        } catch (IOException e) {
            throw new ConfigException(e, "cannot look at %s (%s); choose another --out", out, FileFault.reason(e));
        }
        directory.tryIn(above);
        directory.sweep();
        return directory;
    }

    /** Makes a directory in {@code above}, where all others are to be made, and deletes it. */
    private void tryIn(Path above) throws IOException {
        Path tried = RunPath.child(above, staged.getName());
        try {
            if (!storage.makeNew(tried)) {
                throw new IOException("no directory can be made there");
            }
            storage.deleteAtOnce(tried);
        } catch (NoSpaceException e) {
            throw e;
        } catch (IOException e) {
            throw new ConfigException(
                    e,
                    "cannot write to %s (%s); check its permissions, or choose another --out",
                    above,
                    FileFault.reason(e));
        }
    }

    /** Deletes what killed processes of this host have left; logs what may be left by those of other hosts. */
    private void sweep() {
        try {
            for (FileStatus entry : storage.files().listStatus(out.getParent())) {
                Optional<StagingName> owner = StagingName.parse(entry.getPath().getName(), out.getName());
                if (owner.isPresent() && owner.get().isGone()) {
                    storage.deleteAtOnce(entry.getPath());
                } else if (owner.isPresent() && !owner.get().isOfThisHost()) {
                    LOG.warn(
                            "{} is of process {} on {}; delete it if that is gone",
                            entry.getPath(),
                            owner.get().process(),
                            owner.get().host());
                }
            }
        } catch (FileNotFoundException e) {
            LOG.debug("{} is to be made yet", out.getParent());
        } catch (IOException | StoreException e) {
            LOG.warn("could not look beside {} for what killed jobs have left", out, e);
        }
    }

    /** The nearest one that exists. */
    private static Path folderAbove(Path out, FileSystem files) throws IOException {
        Path above = out.getParent();
        while (above.getParent() != null && !files.exists(above)) {
            above = above.getParent();
        }
        if (files.exists(above) && !files.getFileStatus(above).isDirectory()) {
            throw new ConfigException("cannot make %s, because %s is no directory; choose another --out", out, above);
        }
        return above;
    }

    /** The path of the results once they are published. */
    public Path out() {
        return out;
    }

    /** The path to write the results to. */
    public Path path() {
        if (!used) {
            used = true;
            ShutdownHookManager.get().addShutdownHook(onShutdown, FileSystem.SHUTDOWN_HOOK_PRIORITY + 1);
        }
        return staged;
    }

    private void discard() {
        try {
            storage.deleteAtOnce(staged);
        } catch (IOException e) {
            LOG.warn("could not delete {}", staged, e);
        }
    }

    /** The path to write one of the results to. */
    public Path path(String name) {
        return new Path(path(), name);
    }

    /** Writes one of the results. */
    public void write(String name, String text) throws IOException {
        storage.write(path(name), text);
    }

    /** Writes one of the results as JSON for people and programs. */
    public void write(String name, JsonNode content) throws IOException {
        storage.write(path(name), content);
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
            throw new ConfigException(
                    "%s has appeared while its results were being made, as of a second command with the same --out; it stays as it is, and these results are dropped: choose another --out",
                    out);
        }
    }

    @Override
    public void close() throws IOException {
        if (used && !ShutdownHookManager.get().isShutdownInProgress()) {
            ShutdownHookManager.get().removeShutdownHook(onShutdown);
        }
        if (!published) {
            storage.files().delete(staged, true);
        }
    }
}
