package dev.kindling.storage;

import java.io.FilterOutputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumMap;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.util.Progressable;

/** The local disk as a store far away, whose next calls of a kind fail with an error that passes. */
public final class FaultyDisk extends RawLocalFileSystem {
    /** Patience for tests. */
    public static final Retry BRIEF = new Retry(Duration.ofSeconds(1));

    /** What can fail. */
    public enum Call {
        OPEN,
        READ,
        STATUS,
        LIST,
        CREATE,
        WRITE,
        CLOSE,
        DELETE
    }

    private final Map<Call, Integer> failures = new EnumMap<>(Call.class);
    private IOException cause;

    /** A store that holds what is below {@code folder}. */
    public static FaultyDisk at(Path folder, Configuration hadoop) throws IOException {
        FaultyDisk disk = new FaultyDisk();
        disk.initialize(URI.create("remote:" + folder), hadoop);
        return disk;
    }

    @Override
    public URI getUri() {
        return URI.create("remote:///");
    }

    /** From now on so many calls of this kind fail. */
    public void fail(Call call, int times) {
        failures.put(call, times);
    }

    /** What calls fail with; the same exception each time. */
    public void failWith(IOException cause) {
        this.cause = cause;
    }

    /** How many calls of this kind are yet to fail. */
    public int left(Call call) {
        return failures.getOrDefault(call, 0);
    }

    private void call(Call call) throws IOException {
        int left = left(call);
        if (left > 0) {
            failures.put(call, left == Integer.MAX_VALUE ? left : left - 1);
            throw cause != null ? cause : new IOException("503 Slow Down");
        }
    }

    @Override
    public FSDataInputStream open(org.apache.hadoop.fs.Path file, int bufferSize) throws IOException {
        call(Call.OPEN);
        FSDataInputStream in = super.open(file, bufferSize);
        return new FSDataInputStream(new FSInputStream() {
            @Override
            public int read() throws IOException {
                call(Call.READ);
                return in.read();
            }

            @Override
            public int read(byte[] bytes, int offset, int length) throws IOException {
                int read = in.read(bytes, offset, Math.min(length, 100)); // and then, midway
                call(Call.READ);
                return read;
            }

            @Override
            public void seek(long to) throws IOException {
                in.seek(to);
            }

            @Override
            public long getPos() throws IOException {
                return in.getPos();
            }

            @Override
            public boolean seekToNewSource(long target) {
                return false;
            }

            @Override
            public void close() throws IOException {
                in.close();
            }
        });
    }

    @Override
    public FileStatus getFileStatus(org.apache.hadoop.fs.Path path) throws IOException {
        call(Call.STATUS);
        return super.getFileStatus(path);
    }

    @Override
    public FileStatus[] listStatus(org.apache.hadoop.fs.Path path) throws IOException {
        call(Call.LIST);
        // Without what the local disk would look up of a file by its URI.
        return Stream.of(super.listStatus(path))
                .map(file -> new FileStatus(
                        file.getLen(),
                        file.isDirectory(),
                        file.getReplication(),
                        file.getBlockSize(),
                        file.getModificationTime(),
                        file.getPath()))
                .toArray(FileStatus[]::new);
    }

    @Override
    public boolean delete(org.apache.hadoop.fs.Path path, boolean recursive) throws IOException {
        call(Call.DELETE);
        return super.delete(path, recursive);
    }

    @Override
    public FSDataOutputStream create(
            org.apache.hadoop.fs.Path file,
            boolean overwrite,
            int bufferSize,
            short replication,
            long blockSize,
            Progressable progress)
            throws IOException {
        call(Call.CREATE);
        return faulty(super.create(file, overwrite, bufferSize, replication, blockSize, progress));
    }

    @Override
    public FSDataOutputStream create(
            org.apache.hadoop.fs.Path file,
            FsPermission permission,
            boolean overwrite,
            int bufferSize,
            short replication,
            long blockSize,
            Progressable progress)
            throws IOException {
        call(Call.CREATE);
        return faulty(super.create(file, permission, overwrite, bufferSize, replication, blockSize, progress));
    }

    private FSDataOutputStream faulty(FSDataOutputStream out) throws IOException {
        return new FSDataOutputStream(
                new FilterOutputStream(out) {
                    @Override
                    public void write(byte[] bytes, int offset, int length) throws IOException {
                        call(Call.WRITE);
                        out.write(bytes, offset, length);
                    }

                    @Override
                    public void close() throws IOException {
                        out.close();
                        call(Call.CLOSE);
                    }
                },
                null);
    }
}
