package dev.kindling.data;

/**
 * Text, a vocabulary or a shard that cannot be used. The message is one line that says what is
 * wrong, why, and what to do about it, so that a command can print it without a stack trace.
 */
public final class DataException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public DataException(String message) {
        super(message);
    }

    public DataException(String message, Throwable cause) {
        super(message, cause);
    }

    /** What the system said, on one line: the message of {@code cause}, or its type where it has none. */
    public static String reason(Throwable cause) {
        String message = cause.getMessage();
        String type = cause.getClass().getSimpleName();
        return message == null ? type : type + ": " + message.replaceAll("\\s*\\R\\s*", " ");
    }
}
