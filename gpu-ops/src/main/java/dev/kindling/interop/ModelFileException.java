package dev.kindling.interop;

import java.io.IOException;

/** A model's file that cannot be used: which one, what is wrong with it, and what to do, in one line. */
public final class ModelFileException extends IOException {
    private static final long serialVersionUID = 1L;

    public ModelFileException(String message) {
        super(oneLine(message));
    }

    public ModelFileException(String message, Throwable cause) {
        super(oneLine(message), cause);
    }

    /** Names in damaged files may hold line breaks. */
    private static String oneLine(String message) {
        return message.replaceAll("\\s*\\R\\s*", " ");
    }
}
