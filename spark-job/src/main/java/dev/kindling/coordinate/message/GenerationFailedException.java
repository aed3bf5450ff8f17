package dev.kindling.coordinate.message;

/** The job is over without a result. The message is the first cause, fit for people. */
public final class GenerationFailedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public GenerationFailedException(String message) {
        super(message);
    }
}
