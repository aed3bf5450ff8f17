package dev.kindling.storage;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.FilterFileSystem;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.util.Progressable;
import org.apache.hadoop.util.functional.RemoteIterators;

/**
 * A file system whose operations are tried again by a {@link Retry}; a file that is being read goes on at the byte where
 * the store failed. What is written to a file is the writer's to repeat, see {@link Storage#create}.
 */
final class PatientFiles extends FilterFileSystem {
    private final Retry retry;

    PatientFiles(FileSystem files, Retry retry) {
        super(files);
        this.retry = retry;
    }

    @Override
    public FSDataInputStream open(Path file, int bufferSize) throws IOException {
        return new FSDataInputStream(
                new PatientInput(retry, file, () -> getRawFileSystem().open(file, bufferSize)));
    }

    @Override
    public FileStatus getFileStatus(Path path) throws IOException {
        return retry.run("look at", path, () -> super.getFileStatus(path));
    }

    @Override
    public FileStatus[] listStatus(Path path) throws IOException {
        return retry.run("list", path, () -> super.listStatus(path));
    }

    @Override
    public RemoteIterator<LocatedFileStatus> listLocatedStatus(Path path) throws IOException {
        return retry.run("list", path, () -> all(super.listLocatedStatus(path)));
    }

    /** A store lists page by page; a page may fail. */
    private static RemoteIterator<LocatedFileStatus> all(RemoteIterator<LocatedFileStatus> pages) throws IOException {
        List<LocatedFileStatus> found = new ArrayList<>();
        while (pages.hasNext()) {
            found.add(pages.next());
        }
        return RemoteIterators.remoteIteratorFromIterable(found);
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
        return retry.run(
                "create",
                file,
                () -> super.create(file, permission, overwrite, bufferSize, replication, blockSize, progress));
    }

    @Override
    public boolean mkdirs(Path directory) throws IOException {
        return retry.run("make", directory, () -> super.mkdirs(directory));
    }

    @Override
    public boolean mkdirs(Path directory, FsPermission permission) throws IOException {
        return retry.run("make", directory, () -> super.mkdirs(directory, permission));
    }

    @Override
    public boolean delete(Path path, boolean recursive) throws IOException {
        return retry.run("delete", path, () -> super.delete(path, recursive));
    }

    /** True also where an attempt has renamed, though the store's answer was lost. */
    @Override
    public boolean rename(Path from, Path to) throws IOException {
        return retry.run("rename", from, () -> super.rename(from, to) || (!super.exists(from) && super.exists(to)));
    }
}
