package dev.kindling.checkpoint;

import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.util.Progressable;

/** The local file system on a disk that has room for so many bytes more. */
public final class FullDisk extends RawLocalFileSystem {
    private int freeBytes;

    public FullDisk(int freeBytes, Configuration hadoop) throws IOException {
        this.freeBytes = freeBytes;
        initialize(URI.create("file:///"), hadoop);
    }

    @Override
    public FSDataOutputStream create(
            Path path, boolean overwrite, int bufferSize, short replication, long blockSize, Progressable progress)
            throws IOException {
        return limit(super.create(path, overwrite, bufferSize, replication, blockSize, progress));
    }

    @Override
    public FSDataOutputStream create(
            Path path,
            FsPermission permission,
            boolean overwrite,
            int bufferSize,
            short replication,
            long blockSize,
            Progressable progress)
            throws IOException {
        return limit(super.create(path, permission, overwrite, bufferSize, replication, blockSize, progress));
    }

    private FSDataOutputStream limit(OutputStream out) throws IOException {
        return new FSDataOutputStream(
                new FilterOutputStream(out) {
                    @Override
                    public void write(int b) throws IOException {
                        take(1);
                        out.write(b);
                    }

                    @Override
                    public void write(byte[] bytes, int offset, int length) throws IOException {
                        take(length);
                        out.write(bytes, offset, length);
                    }
                },
                null);
    }

    private void take(int bytes) throws IOException {
        if (bytes > freeBytes) {
            throw new IOException("No space left on device");
        }
        freeBytes -= bytes;
    }
}
