package dev.kindling.storage;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Set;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.StreamCapabilities;
import org.apache.hadoop.fs.UnsupportedFileSystemException;
import org.apache.hadoop.util.VersionInfo;
import org.apache.spark.SparkEnv;
import org.apache.spark.deploy.SparkHadoopUtil;

/**
 * Files of a run on any Hadoop FileSystem: a file appears whole or not at all. Kindling's files carry their own
 * checksums, so the local file system is used without Hadoop's {@code .crc} files beside them.
 */
public final class Storage {
    private static volatile Settings settings;

    /** Stores of objects: a file appears when its stream is closed, and a rename copies every byte. */
    private static final Set<String> OBJECT_STORES =
            Set.of("s3a", "s3", "s3n", "gs", "oss", "cosn", "obs", "swift", "wasb", "wasbs");

    private final FileSystem store;
    private final FileSystem files;
    private final Configuration hadoop;
    private final Retry retry;
    private final Renames renames;
    private final Creation creation;

    public Storage(FileSystem files, Configuration hadoop) {
        this(files, hadoop, Retry.ofSettings());
    }

    /** @param retry of transient faults; not used on a local disk */
    public Storage(FileSystem files, Configuration hadoop, Retry retry) {
        FileSystem plain = files instanceof LocalFileSystem local ? local.getRawFileSystem() : files;
        this.store = plain instanceof RawLocalFileSystem local ? new LocalFiles(local) : plain;
        this.hadoop = hadoop;
        this.retry = retry;
        this.files = isLocal() ? store : new PatientFiles(store, retry);
        this.renames = new Renames(this, retry);
        this.creation = new Creation(this, store);
    }

    /**
     * The storage that holds {@code path}; a path without a scheme is on Hadoop's default file system.
     *
     * @throws PathException if Spark's class path has no file system of that scheme
     */
    public static Storage of(Path path, Configuration hadoop) throws IOException {
        try {
            return new Storage(path.getFileSystem(hadoop), hadoop);
        } catch (IllegalArgumentException e) { // Hadoop's for an unknown host
            throw new IOException(e.getMessage(), e);
        } catch (UnsupportedFileSystemException e) {
            throw without(path, e);
        } catch (RuntimeException e) {
            if (e.getCause() instanceof ClassNotFoundException) {
                throw without(path, e);
            }
            throw e;
        }
    }

    private static PathException without(Path path, Exception cause) {
        return new PathException(
                cause,
                "%s: there is no file system for %s: on Spark's class path; correct the path, or add the jar that brings it (for s3a: --conf spark.jars.packages=org.apache.hadoop:hadoop-aws:%s)",
                path,
                path.toUri().getScheme(),
                VersionInfo.getVersion());
    }

    /**
     * Hadoop's settings for this process: those of the host's files and, on executors too, the application's {@code
     * spark.hadoop.*}, which Spark passes only to its own readers.
     *
     * @throws PathException on an executor that loses characters of file names
     */
    public static Configuration settings() {
        NameEncoding.whyNotOnExecutor().ifPresent(reason -> {
            throw new PathException(reason);
        });
        return settingsInAnyEncoding();
    }

    /** The same for paths without names that an encoding could harm. */
    public static Configuration settingsInAnyEncoding() {
        SparkEnv env = SparkEnv.get();
        if (env == null) {
            return SparkHadoopUtil.get().conf();
        }
        Settings last = settings;
        if (last == null || last.env() != env) {
            last = new Settings(env, SparkHadoopUtil.get().newConfiguration(env.conf()));
            settings = last;
        }
        return last.hadoop();
    }

    /** The pattern that matches this path alone, for Spark's readers, which take a path for a pattern. */
    public static String asPattern(String path) {
        return path.replaceAll("[\\[\\]{}*?\\\\]", "\\\\$0");
    }

    private record Settings(SparkEnv env, Configuration hadoop) {}

    /** The same files without retries, for what is written again anyway. */
    public Storage withoutPatience() {
        return new Storage(store, hadoop, new Retry(Duration.ZERO));
    }

    Configuration hadoop() {
        return hadoop;
    }

    /** The file system without retries. */
    FileSystem store() {
        return store;
    }

    /** The file system with retries of transient faults, see {@link Retry}. */
    public FileSystem files() {
        return files;
    }

    /** Whether files appear when they are closed, and nothing can be renamed without copying it. */
    public boolean isObjectStore() {
        return OBJECT_STORES.contains(store.getUri().getScheme());
    }

    /** The content of a file to {@link #write}. It may be asked for more than once, each time for all of it. */
    public interface Content {
        void writeTo(OutputStream out) throws IOException;
    }

    /**
     * Creates {@code path} and forces it to disk. If that fails, the file is closed, and what is left of it is the
     * caller's to delete; in a store of objects nothing is left.
     */
    public void create(Path path, Content content) throws IOException {
        patiently("write", path, () -> {
            FSDataOutputStream out = store.create(path, true);
            try {
                content.writeTo(out);
                if (out.hasCapability(StreamCapabilities.HSYNC)) {
                    out.hsync();
                }
            } catch (IOException | RuntimeException | Error e) {
                abandon(out, e);
                throw e;
            }
            out.close();
            return null;
        });
    }

    /** Runs an idempotent operation, again where the store has a transient fault. */
    <T> T patiently(String verb, Path path, Retry.Operation<T> operation) throws IOException {
        return isLocal() ? operation.run() : retry.run(verb, path, operation);
    }

    /** Closes a file that has not become whole, without publishing it where closing does that. */
    public static void abandon(FSDataOutputStream out, Throwable failure) {
        if (out.hasCapability(StreamCapabilities.ABORTABLE_STREAM)) {
            out.abort();
        }
        closeAfter(out, failure);
    }

    /**
     * Closes what has failed; a second failure is added to the first as suppressed, unless it is the same (HDFS's
     * streams throw it once more).
     */
    public static void closeAfter(Closeable failed, Throwable failure) {
        try {
            failed.close();
        } catch (IOException | RuntimeException e) {
            suppress(e, failure);
        }
    }

    private static void suppress(Exception second, Throwable first) {
        if (second != first) {
            first.addSuppressed(second);
        }
    }

    /**
     * Writes {@code path} so that readers see the old file or the new one: beside itself, then renamed over what was
     * there; in a store of objects, at once.
     */
    public void write(Path path, Content content) throws IOException {
        if (isObjectStore()) {
            create(path, content);
            return;
        }
        Path part = new Path(path.getParent(), "." + path.getName() + "." + UUID.randomUUID());
        try {
            create(part, content);
            replace(part, path);
        } catch (NoSpaceException e) {
            deleteQuietly(part, e);
            throw e.at(path.toString());
        } catch (IOException | RuntimeException e) {
            deleteQuietly(part, e);
            throw e;
        }
    }

    public void write(Path path, String text) throws IOException {
        write(path, out -> out.write(text.getBytes(StandardCharsets.UTF_8)));
    }

    /** Writes {@code path} as JSON for people and programs. */
    public void write(Path path, JsonNode content) throws IOException {
        write(path, content.toPrettyString() + "\n");
    }

    public String read(Path path) throws IOException {
        return patiently("read", path, () -> {
            try (var in = store.open(path)) {
                return new String(in.readAllBytes(), StandardCharsets.UTF_8);
            }
        });
    }

    /**
     * Creates a file; returns false, and changes nothing, if it exists. Of several writers at once, one succeeds.
     *
     * @param text different for each writer
     */
    public boolean writeNew(Path path, String text) throws IOException {
        return creation.writeNew(path, text);
    }

    /**
     * Creates a directory and its parents; returns false if it exists. Of several at once, one succeeds on a local
     * disk.
     */
    public boolean makeNew(Path directory) throws IOException {
        return creation.makeNew(directory);
    }

    /**
     * Renames a directory to a name that does not exist; returns false, and changes nothing, if it does. Of several at
     * once, one succeeds.
     */
    public boolean publish(Path from, Path to) throws IOException {
        return renames.publish(from, to);
    }

    /** Renames, and forces the directory entry to disk where the file system is local. */
    public void rename(Path from, Path to) throws IOException {
        renames.rename(from, to);
    }

    /** Renames a file over another. */
    public void replace(Path from, Path to) throws IOException {
        renames.replace(from, to);
    }

    /**
     * Deletes what a failure left behind, if possible, without patience; a second failure is added to the first as suppressed.
     */
    public void deleteQuietly(Path path, Throwable failure) {
        try {
            deleteAtOnce(path);
        } catch (IOException | RuntimeException e) {
            suppress(e, failure);
        }
    }

    /** Deletes what can be deleted another time, too: without patience. */
    public void deleteAtOnce(Path path) throws IOException {
        if (!store.delete(path, true) && store.exists(path)) {
            throw new IOException("could not delete " + path + "; check permissions there");
        }
    }

    static java.nio.file.Path local(Path path) {
        return java.nio.file.Path.of(path.toUri().getPath()).toAbsolutePath();
    }

    /** Whether these files are on a disk (or mount) of this host. */
    public boolean isLocal() {
        return "file".equals(store.getUri().getScheme());
    }
}
