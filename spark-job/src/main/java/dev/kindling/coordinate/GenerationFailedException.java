package dev.kindling.coordinate;

/** The job is over without a result. The message is the first cause, fit for people. */
public final class GenerationFailedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    GenerationFailedException(String message) {
        super(message);
    }
}
