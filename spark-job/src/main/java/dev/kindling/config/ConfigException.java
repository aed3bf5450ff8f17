package dev.kindling.config;

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

    /** Throws a ConfigException with the formatted message unless {@code holds}. */
    static void check(boolean holds, String format, Object... args) {
        if (!holds) {
            throw new ConfigException(String.format(Locale.ROOT, format, args));
        }
    }
}
