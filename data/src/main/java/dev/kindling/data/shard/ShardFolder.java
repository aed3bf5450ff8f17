package dev.kindling.data.shard;

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

    /** Reads a shard with every check. */
    default Shard shard(String file) throws IOException {
        try (InputStream in = open(file)) {
            return Shard.read(in, name() + "/" + file);
        }
    }

    /** What is written to a file. */
    @FunctionalInterface
    interface Content {
        void writeTo(OutputStream out) throws IOException;
    }
}
