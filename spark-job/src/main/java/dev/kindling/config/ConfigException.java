package dev.kindling.config;

import com.google.errorprone.annotations.FormatMethod;
import java.util.Locale;

/**
 * A usage or configuration error: what is wrong, why, and what to change, in one line. The command line turns it
 * into exit code 2.
 */
public final class ConfigException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public ConfigException(String message) {
        super(message);
    }

    public ConfigException(String message, Throwable cause) {
        super(message, cause);
    }

    /** With a message made of {@code format}. */
    @FormatMethod
    public ConfigException(String format, Object... args) {
        super(String.format(Locale.ROOT, format, args));
    }

    /** With a message made of {@code format}. */
    @FormatMethod
    public ConfigException(Throwable cause, String format, Object... args) {
        super(String.format(Locale.ROOT, format, args), cause);
    }

    /** Throws a ConfigException with the formatted message unless {@code holds}. */
    @FormatMethod
    public static void check(boolean holds, String format, Object... args) {
        if (!holds) {
            throw new ConfigException(format, args);
        }
    }
}
