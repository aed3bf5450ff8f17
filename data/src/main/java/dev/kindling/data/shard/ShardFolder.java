package dev.kindling.data.shard;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

/** Where a shard set lies: a local folder, or one on any store that can replace a file at once. */
public interface ShardFolder {
    /** What errors call the folder. */
    String name();

    boolean exists(String file) throws IOException;

    /** Opens a file from its beginning; the caller closes it. */
    InputStream open(String file) throws IOException;

    /**
     * Writes a whole file or nothing: under a temporary name first, which is renamed when everything is
     * on the store, and removed if anything fails. Makes the folder, and replaces a file that is there.
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
