package dev.kindling.storage;

import java.io.IOException;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;

/**
 * What is made of all the files below a folder, which come page by page and are not held.
 *
 * @param <T> what is made
 */
@FunctionalInterface
public interface FileListing<T> {
    T of(RemoteIterator<LocatedFileStatus> files) throws IOException;

    /** Lists a folder; where a page has a transient fault, {@code listing} begins anew. */
    static <T> T of(Path folder, Storage storage, FileListing<T> listing) throws IOException {
        return storage.patiently(
                "list", folder, () -> listing.of(storage.store().listFiles(folder, true)));
    }
}
