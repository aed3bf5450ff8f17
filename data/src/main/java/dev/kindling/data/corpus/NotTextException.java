package dev.kindling.data.corpus;

import java.nio.charset.CharacterCodingException;

/** Bytes that are not UTF-8 text. The message goes on where the name of the file or row has been said. */
public final class NotTextException extends CharacterCodingException {
    private static final long serialVersionUID = 1L;

    private final String message;

    public NotTextException(String message) {
        this.message = message;
    }

    @Override
    public String getMessage() {
        return message;
    }
}
