package dev.kindling.storage;

/**
 * A path, as the user wrote it, that leads nowhere: there is no such file, or no such file system. The message is one
 * line: what is wrong, why, and what to do.
 */
public final class PathException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public PathException(String message) {
        super(message);
    }

    public PathException(String message, Throwable cause) {
        super(message, cause);
    }
}
