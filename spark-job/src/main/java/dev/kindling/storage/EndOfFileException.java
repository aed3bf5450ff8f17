package dev.kindling.storage;

import java.io.EOFException;

/** A file is shorter than it should be. Final, unlike the end of a connection, for which stores throw EOFException too. */
final class EndOfFileException extends EOFException {
    private static final long serialVersionUID = 1L;

    EndOfFileException(String message, EOFException cause) {
        super(message);
        initCause(cause);
    }
}
