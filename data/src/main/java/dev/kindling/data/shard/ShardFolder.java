package dev.kindling.data.shard;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

/** The folder of a shard set: on a local disk, or on any store that can replace a file in one step. */
public interface ShardFolder {
    /** What errors call the folder. */
    String name();

    boolean exists(String file) throws IOException;

    /** Opens a file from its beginning; the caller closes it. */
    InputStream open(String file) throws IOException;

    /**
     * Writes a whole file or nothing: it is written under a temporary name and renamed once everything is on the store;
     * the temporary file is removed if anything fails. Makes the folder where there is none, and replaces an existing
     * file.
     */
    void write(String file, Content content) throws IOException;

    /** Removes a file; does nothing if it is not there. */
    void delete(String file) throws IOException;

    /**
     * Overwrites {@code dst} with the bytes of a file from {@code position} on. May be called by many threads at once.
     *
     * @param fileBytes how long the file should be, so that its store need not be asked
     * @throws EOFException if the file ends before them
     */
    void read(String file, long fileBytes, long position, byte[] dst) throws IOException;

    /** How many reads at once are of use: 1 where one costs no wait worth speaking of. */
    int parallelReads();

    /** What is written to a file. */
    @FunctionalInterface
    interface Content {
        void writeTo(OutputStream out) throws IOException;
    }
}
