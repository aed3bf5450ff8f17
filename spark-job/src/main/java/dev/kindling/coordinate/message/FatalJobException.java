package dev.kindling.coordinate.message;

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
}
