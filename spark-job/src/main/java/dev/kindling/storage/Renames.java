package dev.kindling.storage;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.StandardOpenOption;
import java.util.UUID;
import org.apache.hadoop.fs.FileContext;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Options;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.UnsupportedFileSystemException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What {@link Storage} renames, as atomically as the store can. */
final class Renames {
    private static final Logger LOG = LoggerFactory.getLogger(Renames.class);

    private final Storage storage;
    private final FileSystem files;
    private final Retry retry;

    Renames(Storage storage, Retry retry) {
        this.storage = storage;
        this.files = storage.files();
        this.retry = retry;
    }

    /** See {@link Storage#publish}. */
    boolean publish(Path from, Path to) throws IOException {
        if (storage.isLocal()) { // a rename of Hadoop's would copy into a directory that is there
            try {
                Files.move(
                        Storage.local(from),
                        Storage.local(to)); // refuses what is there, and the system what has come since
            } catch (FileSystemException e) {
                if (Files.exists(Storage.local(to)) && Files.exists(Storage.local(from))) {
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
        try {
            if (!storage.isObjectStore()) {
                move(from, to, Options.Rename.NONE);
                return true;
            }
        } catch (org.apache.hadoop.fs.FileAlreadyExistsException e) {
            return false;
        } catch (UnsupportedFileSystemException e) { // no rename there that refuses what exists
            LOG.debug("{} is published file by file", to, e);
        }
        return publishFileByFile(from, to);
    }

    /** For stores whose rename would put the directory into one that has appeared: the first to claim it fills it. */
    private boolean publishFileByFile(Path from, Path to) throws IOException {
        files.mkdirs(to);
        Path claim = new Path(to, ".publishing");
        if (!storage.writeNew(claim, UUID.randomUUID().toString())) {
            return false;
        }
        if (files.listStatus(to).length > 1) { // a command that had claimed it has published, or a user has made it
            files.delete(claim, false);
            return false;
        }
        for (FileStatus entry : files.listStatus(from)) {
            rename(entry.getPath(), new Path(to, entry.getPath().getName()));
        }
        files.delete(from, true);
        files.delete(claim, false);
        return true;
    }

    /** Renames, and forces the directory entry to disk where the file system is local. */
    void rename(Path from, Path to) throws IOException {
        if (!files.rename(from, to)) {
            throw new IOException("could not rename " + from + " to " + to);
        }
        syncDirectory(to.getParent());
    }

    /** Renames a file over another. */
    void replace(Path from, Path to) throws IOException {
        if (storage.isLocal()) { // rename(2) replaces a file
            rename(from, to);
            return;
        }
        try {
            move(from, to, Options.Rename.OVERWRITE);
        } catch (UnsupportedFileSystemException e) { // no atomic replace there: the next best
            files.delete(to, false);
            rename(from, to);
        }
    }

    private void move(Path from, Path to, Options.Rename how) throws IOException {
        FileContext context = FileContext.getFileContext(files.getUri(), storage.hadoop());
        retry.run("rename", from, () -> {
            try {
                context.rename(from, to, how);
            } catch (FileNotFoundException e) {
                if (!files.exists(to)) {
                    throw e;
                } // else an attempt whose answer was lost has renamed
            }
            return null;
        });
    }

    private void syncDirectory(Path directory) throws IOException {
        if (storage.isLocal()) {
            try (FileChannel channel = FileChannel.open(Storage.local(directory), StandardOpenOption.READ)) {
                channel.force(true);
            }
        }
    }
}
