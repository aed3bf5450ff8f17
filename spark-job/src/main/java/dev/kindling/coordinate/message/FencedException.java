package dev.kindling.coordinate.message;

/** This rank was told to stop: its generation has failed elsewhere or is over. Never the first cause. */
public final class FencedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public FencedException(String message) {
        super(message);
    }
}
