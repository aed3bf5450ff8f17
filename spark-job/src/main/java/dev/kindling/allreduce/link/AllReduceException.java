package dev.kindling.allreduce.link;

/** A collective operation could not be finished; the message names the peer at fault, if one is known. */
public final class AllReduceException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public AllReduceException(String message) {
        super(message);
    }

    public AllReduceException(String message, Throwable cause) {
        super(message, cause);
    }
}
