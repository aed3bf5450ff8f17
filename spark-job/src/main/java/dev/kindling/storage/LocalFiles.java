package dev.kindling.storage;

import java.io.FilterOutputStream;
import java.io.IOException;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSError;
import org.apache.hadoop.fs.FilterFileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.StreamCapabilities;
import org.apache.hadoop.fs.Syncable;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.util.Progressable;

/**
 * A local file system whose failed writes are IOExceptions that say which file's disk is full. Hadoop's throws an
 * {@link FSError} instead, which is an Error, so that nothing that expects a failed write would meet it.
 */
final class LocalFiles extends FilterFileSystem {
    LocalFiles(RawLocalFileSystem files) {
        super(files);
    }

    @Override
    public FSDataOutputStream create(
            Path file,
            FsPermission permission,
            boolean overwrite,
            int bufferSize,
            short replication,
            long blockSize,
            Progressable progress)
            throws IOException {
        try {
            return stream(
                    super.create(file, permission, overwrite, bufferSize, replication, blockSize, progress), file);
        } catch (IOException e) {
            throw NoSpaceException.of(e, file.toString());
        }
    }

    @Override
    public FSDataOutputStream append(Path file, int bufferSize, Progressable progress) throws IOException {
        return stream(super.append(file, bufferSize, progress), file);
    }

    private static FSDataOutputStream stream(FSDataOutputStream out, Path file) throws IOException {
        return new FSDataOutputStream(new Stream(out, file), null, out.getPos());
    }

    private static final class Stream extends FilterOutputStream implements Syncable, StreamCapabilities {
        private final FSDataOutputStream file;
        private final Path path;

        Stream(FSDataOutputStream file, Path path) {
            super(file);
            this.file = file;
            this.path = path;
        }

        /** What writes. */
        private interface Action {
            void run() throws IOException;
        }

        private void checked(Action action) throws IOException {
            try {
                action.run();
            } catch (FSError e) {
                throw NoSpaceException.of(new IOException(e.getCause().getMessage(), e), path.toString());
            } catch (IOException e) {
                throw NoSpaceException.of(e, path.toString());
            }
        }

        @Override
        public void write(int b) throws IOException {
            checked(() -> file.write(b));
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            checked(() -> file.write(bytes, offset, length));
        }

        @Override
        public void flush() throws IOException {
            checked(file::flush);
        }

        @Override
        public void hflush() throws IOException {
            checked(file::hflush);
        }

        @Override
        public void hsync() throws IOException {
            checked(file::hsync);
        }

        @Override
        public void close() throws IOException {
            checked(file::close);
        }

        @Override
        public boolean hasCapability(String capability) {
            return file.hasCapability(capability);
        }
    }
}
