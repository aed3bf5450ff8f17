package dev.kindling.coordinate.message;

import com.google.errorprone.annotations.FormatMethod;
import java.util.Locale;

/** An error that another attempt cannot cure (bad configuration, bad input): the job ends, nothing is retried. */
public class FatalJobException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** @param message what, why, and what to do */
    public FatalJobException(String message) {
        super(message);
    }

    /** @param message what, why, and what to do */
    public FatalJobException(String message, Throwable cause) {
        super(message, cause);
    }

    /** With a message made of {@code format}. */
    @FormatMethod
    public FatalJobException(String format, Object... args) {
        super(String.format(Locale.ROOT, format, args));
    }

    /** With a message made of {@code format}. */
    @FormatMethod
    public FatalJobException(Throwable cause, String format, Object... args) {
        super(String.format(Locale.ROOT, format, args), cause);
    }
}
