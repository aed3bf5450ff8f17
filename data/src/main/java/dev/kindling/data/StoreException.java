package dev.kindling.data;

import java.io.IOException;
import java.io.UncheckedIOException;

/**
 * A store of files that failed for longer than it was waited for: a node or the network is down, or the store is
 * overloaded. Unlike a {@link DataException} it says nothing of what is stored, so another attempt may succeed. The
 * message is one line that says what was tried, for how long, and what the store said.
 */
public final class StoreException extends UncheckedIOException {
    private static final long serialVersionUID = 1L;

    public StoreException(String message, IOException cause) {
        super(message, cause);
    }
}
