package dev.kindling.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.google.errorprone.annotations.FormatMethod;
import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.util.Locale;

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

    /** With a message made of {@code format}. */
    @FormatMethod
    public DataException(String format, Object... args) {
        super(String.format(Locale.ROOT, format, args));
    }

    /** With a message made of {@code format}. */
    @FormatMethod
    public DataException(Throwable cause, String format, Object... args) {
        super(String.format(Locale.ROOT, format, args), cause);
    }

    /**
     * The error of a file that could not be used: this one where the file is missing, torn or closed to the user, and a
     * {@link StoreException} where the fault is the store's and may pass.
     */
    public static RuntimeException of(String message, IOException cause) {
        boolean stored = cause instanceof FileNotFoundException
                || cause instanceof NoSuchFileException
                || cause instanceof AccessDeniedException
                || cause instanceof EOFException;
        return stored ? new DataException(message, cause) : new StoreException(message, cause);
    }

    /** What the system said, on one line: the message of {@code cause}, or its type where it has none. */
    public static String reason(Throwable cause) {
        String message = cause.getMessage();
        String type = cause.getClass().getSimpleName();
        return message == null ? type : type + ": " + message.replaceAll("\\s*\\R\\s*", " ");
    }

    /** What is wrong with text that is no JSON, on one line, without what Jackson says of its own settings. */
    public static String reason(JsonProcessingException cause) {
        return cause.getOriginalMessage()
                .replaceAll("\\s*\\R\\s*", " ")
                .replaceAll("\\[Source: .*?; line: (\\d+), column: (\\d+)\\]", "line $1, column $2");
    }
}
