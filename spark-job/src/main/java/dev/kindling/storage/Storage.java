package dev.kindling.storage;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.StandardOpenOption;
import java.util.Locale;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileContext;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Options;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
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

    private final FileSystem files;
    private final Configuration hadoop;

    public Storage(FileSystem files, Configuration hadoop) {
        FileSystem plain = files instanceof LocalFileSystem local ? local.getRawFileSystem() : files;
        this.files = plain instanceof RawLocalFileSystem local ? new LocalFiles(local) : plain;
        this.hadoop = hadoop;
    }

    /**
     * The storage that holds {@code path}; a path without a scheme is on Hadoop's default file system.
     *
     * @throws PathException if Spark's class path has no file system of that scheme
     */
    public static Storage of(Path path, Configuration hadoop) throws IOException {
        try {
            return new Storage(path.getFileSystem(hadoop), hadoop);
        } catch (IllegalArgumentException e) { // Hadoop's for a host that nobody knows
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
                String.format(
                        Locale.ROOT,
                        "%s: there is no file system for %s: on Spark's class path; correct the path, or add the jar that brings it (for s3a: --conf spark.jars.packages=org.apache.hadoop:hadoop-aws:%s)",
                        path,
                        path.toUri().getScheme(),
                        VersionInfo.getVersion()),
                cause);
    }

    /**
     * Hadoop's settings for this process: those of the host's files and, on executors too, the application's {@code
     * spark.hadoop.*}, which Spark passes only to its own readers.
     */
    public static Configuration settings() {
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

    public FileSystem files() {
        return files;
    }

    /** The content of a file to {@link #write}. */
    public interface Content {
        void writeTo(OutputStream out) throws IOException;
    }

    /**
     * Creates {@code path} and forces it to disk. If that fails, the file is closed, and what is left of it is the
     * caller's to delete.
     */
    public void create(Path path, Content content) throws IOException {
        try (FSDataOutputStream out = files.create(path, true)) {
            content.writeTo(out);
            out.hsync();
        }
    }

    /** Writes {@code path} beside itself, then renames over what was there: readers see the old file or the new one. */
    public void write(Path path, Content content) throws IOException {
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

    public String read(Path path) throws IOException {
        try (var in = files.open(path)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    /** Creates a file; returns false, and changes nothing, if it exists. Of several writers at once, one succeeds. */
    public boolean writeNew(Path path, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        try {
            if (isLocal()) { // Hadoop looks first and creates then, with time between
                Files.write(local(path), bytes, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            } else {
                try (FSDataOutputStream out = files.create(path, false)) {
                    out.write(bytes);
                }
            }
            return true;
        } catch (FileAlreadyExistsException | org.apache.hadoop.fs.FileAlreadyExistsException e) {
            return false;
        } catch (IOException e) {
            throw NoSpaceException.of(e, path.toString());
        }
    }

    /**
     * Creates a directory and its parents; returns false if it exists. Of several at once, one succeeds on a local
     * disk.
     */
    public boolean makeNew(Path directory) throws IOException {
        if (!isLocal()) {
            return !files.exists(directory) && files.mkdirs(directory);
        }
        try {
            Files.createDirectories(local(directory).getParent());
            Files.createDirectory(local(directory));
            return true;
        } catch (FileAlreadyExistsException e) {
            if (Files.isDirectory(local(directory))) {
                return false;
            }
            throw e;
        } catch (IOException e) {
            throw NoSpaceException.of(e, directory.toString());
        }
    }

    /** Renames a directory to a name that does not exist; returns false, and changes nothing, if it does. */
    public boolean publish(Path from, Path to) throws IOException {
        if (isLocal()) { // a rename of Hadoop's would copy into a directory that is there
            try {
                Files.move(local(from), local(to)); // refuses what is there, and the system what has come since
            } catch (FileSystemException e) {
                if (Files.exists(local(to)) && Files.exists(local(from))) {
                    return false;
                }
                throw e;
            }
            syncDirectory(to.getParent());
            return true;
        }
        if (files.exists(to)) {
            return false;
        }
        rename(from, to);
        return true;
    }

    /** Renames, and forces the directory entry to disk where the file system is local. */
    public void rename(Path from, Path to) throws IOException {
        if (!files.rename(from, to)) {
            throw new IOException(
                    "could not rename " + from + " to " + to + "; check permissions and free space there");
        }
        syncDirectory(to.getParent());
    }

    /**
     * Deletes what a failure left behind, if possible; if that fails too, the second failure is added to the first as
     * suppressed.
     */
    public void deleteQuietly(Path path, Throwable failure) {
        try {
            files.delete(path, true);
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
    }

    private void replace(Path from, Path to) throws IOException {
        if (isLocal()) { // rename(2) replaces a file
            rename(from, to);
            return;
        }
        try {
            FileContext.getFileContext(files.getUri(), hadoop).rename(from, to, Options.Rename.OVERWRITE);
        } catch (UnsupportedFileSystemException e) { // no atomic replace there: the next best
            files.delete(to, false);
            rename(from, to);
        }
    }

    private void syncDirectory(Path directory) throws IOException {
        if (isLocal()) {
            try (FileChannel channel = FileChannel.open(local(directory), StandardOpenOption.READ)) {
                channel.force(true);
            }
        }
    }

    private static java.nio.file.Path local(Path path) {
        return java.nio.file.Path.of(path.toUri().getPath()).toAbsolutePath();
    }

    /** Whether these files are on a disk (or mount) of this host. */
    public boolean isLocal() {
        return "file".equals(files.getUri().getScheme());
    }
}
