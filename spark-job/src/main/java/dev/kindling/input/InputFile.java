package dev.kindling.input;

import dev.kindling.config.ConfigException;
import dev.kindling.data.DataException;
import dev.kindling.data.StoreException;
import dev.kindling.storage.PathException;
import dev.kindling.storage.Storage;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.Serializable;
import org.apache.commons.lang3.exception.ExceptionUtils;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.Path;

/**
 * A file to read, as the driver found it: a document, or a table of them.
 *
 * @param named what the user named
 * @param name relative to that; a text's document has it as its id
 * @param uri where it is
 * @param bytes as stored
 */
public record InputFile(Named named, Format format, String name, String uri, long bytes) implements Serializable {

    public FileCompression compression() {
        return FileCompression.of(name);
    }

    /** Ranges of {@code rangeBytes} bytes that the file can be read in; at least one. */
    public long ranges(long rangeBytes) {
        return ranges(name, bytes, rangeBytes);
    }

    static long ranges(String name, long bytes, long rangeBytes) {
        return FileCompression.of(name) == FileCompression.NONE
                ? Math.max(1, (bytes + rangeBytes - 1) / rangeBytes)
                : 1;
    }

    /**
     * The one file that the user named.
     *
     * @throws PathException if there is none of that name
     * @throws ConfigException if it is a folder
     */
    public static InputFile single(Named named, Configuration hadoop) throws IOException {
        Path path = named.resolve(hadoop);
        FileList found;
        try {
            found = FileWalk.of(named, path, hadoop);
        } catch (FileNotFoundException e) {
            throw named.missing(e);
        }
        if (found.size() != 1 || !found.get(0).uri().equals(path.toString())) {
            throw new ConfigException("%s is a folder; name the file", named);
        }
        return found.get(0);
    }

    /** The stored bytes. */
    FSDataInputStream open(Configuration hadoop) throws IOException {
        Path path = new Path(uri);
        return Storage.of(path, hadoop).files().open(path);
    }

    /** What the file holds, from its beginning on, decompressed. */
    public InputStream content(Configuration hadoop) throws IOException {
        return compression().open(open(hadoop), hadoop);
    }

    /**
     * For errors that a store or a decompressor reports: a {@link DataException} of what is stored, or the {@link
     * StoreException} that the store's own fault has led to.
     */
    public RuntimeException unreadable(Exception cause) {
        StoreException fault = ExceptionUtils.throwableOfType(cause, StoreException.class);
        if (fault != null) {
            return fault;
        }
        return new DataException(
                cause,
                "cannot read %s of %s (%s); check that it exists, is whole, and may be read",
                name,
                named,
                DataException.reason(cause));
    }
}
