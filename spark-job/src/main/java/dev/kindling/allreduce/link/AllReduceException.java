package dev.kindling.allreduce.link;

/** A collective operation could not be finished, because of the peer it names. */
public final class AllReduceException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int peer;

    /** @param peer the rank at fault; -1 when it is the driver or unknown */
    public AllReduceException(int peer, String message) {
        super(message);
        this.peer = peer;
    }

    /** @param peer the rank at fault; -1 when it is the driver or unknown */
    public AllReduceException(int peer, String message, Throwable cause) {
        super(message, cause);
        this.peer = peer;
    }
}
