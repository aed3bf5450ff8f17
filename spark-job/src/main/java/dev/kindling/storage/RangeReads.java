package dev.kindling.storage;

import java.io.EOFException;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Options.OpenFileOptions;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.StreamCapabilities;
import org.apache.hadoop.util.functional.FutureIO;

/**
 * Ranges of files, read side by side by any number of threads. A file that has been read from stays open for the next read,
 * since opening asks some stores' masters; each stream is used by one thread at a time. Thread-safe.
 */
final class RangeReads {
    /** Streams that wait to be used again. */
    private static final int IDLE = 64;

    private static final String RANDOM = OpenFileOptions.FS_OPTION_OPENFILE_READ_POLICY_RANDOM;

    private record Stream(Path file, FSDataInputStream in) {}

    private final FileSystem files;
    private final Deque<Stream> idle = new ArrayDeque<>();

    RangeReads(FileSystem files) {
        this.files = files;
    }

    /**
     * Overwrites {@code dst} with the bytes of a file from {@code position} on.
     *
     * @param fileBytes how long the file should be, so that its store need not be asked
     * @throws EndOfFileException if the file ends before them
     */
    void read(Path file, long fileBytes, long position, byte[] dst) throws IOException {
        Stream stream = take(file, fileBytes);
        try {
            stream.in().readFully(position, dst);
        } catch (EOFException e) {
            Storage.closeAfter(stream.in(), e);
            if (files.getFileStatus(file).getLen() < position + dst.length) {
                throw new EndOfFileException(file + " ends before byte " + (position + dst.length), e);
            }
            throw e; // the end of a connection
        } catch (IOException | RuntimeException | Error e) {
            Storage.closeAfter(stream.in(), e);
            throw e;
        }
        giveBack(stream);
    }

    private Stream take(Path file, long fileBytes) throws IOException {
        synchronized (idle) {
            for (Iterator<Stream> streams = idle.iterator(); streams.hasNext(); ) {
                Stream stream = streams.next();
                if (stream.file().equals(file)) {
                    streams.remove();
                    return stream;
                }
            }
        }
        return new Stream(
                file,
                FutureIO.awaitFuture(files.openFile(file)
                        .opt(OpenFileOptions.FS_OPTION_OPENFILE_READ_POLICY, RANDOM)
                        .opt(OpenFileOptions.FS_OPTION_OPENFILE_LENGTH, Long.toString(fileBytes))
                        .build()));
    }

    private void giveBack(Stream stream) throws IOException {
        if (stream.in().hasCapability(StreamCapabilities.UNBUFFER)) {
            stream.in().unbuffer(); // its connection is for others
        }
        Stream oldest = null;
        synchronized (idle) {
            idle.addFirst(stream);
            if (idle.size() > IDLE) {
                oldest = idle.removeLast();
            }
        }
        if (oldest != null) {
            oldest.in().close();
        }
    }
}
