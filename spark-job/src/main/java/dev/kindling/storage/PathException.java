package dev.kindling.storage;

import com.google.errorprone.annotations.FormatMethod;
import java.util.Locale;

/**
 * A path, as the user wrote it, that leads nowhere: there is no such file, or no such file system. The message is one
 * line: what is wrong, why, and what to do.
 */
public final class PathException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public PathException(String message) {
        super(message);
    }

    /** With a message made of {@code format}. */
    @FormatMethod
    public PathException(String format, Object... args) {
        super(String.format(Locale.ROOT, format, args));
    }

    /** With a message made of {@code format}. */
    @FormatMethod
    public PathException(Throwable cause, String format, Object... args) {
        super(String.format(Locale.ROOT, format, args), cause);
    }
}
