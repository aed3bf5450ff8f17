package dev.kindling.coordinate;

import dev.kindling.coordinate.message.FirstCause;

/** The job is over without a result. The message is the first cause, fit for people. */
public final class GenerationFailedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient FirstCause firstCause;

    GenerationFailedException(String message, FirstCause firstCause) {
        super(message);
        this.firstCause = firstCause;
    }
}
