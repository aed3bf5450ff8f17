package dev.kindling.checkpoint;

import com.google.errorprone.annotations.FormatMethod;
import java.io.IOException;
import java.util.Locale;

/** A checkpoint that cannot be read or written: what is wrong, why, and what to do, in one line. */
public final class CheckpointException extends IOException {
    private static final long serialVersionUID = 1L;

    public CheckpointException(String message) {
        super(message);
    }

    public CheckpointException(String message, Throwable cause) {
        super(message, cause);
    }

    /** With a message made of {@code format}. */
    @FormatMethod
    public CheckpointException(String format, Object... args) {
        super(String.format(Locale.ROOT, format, args));
    }
}
