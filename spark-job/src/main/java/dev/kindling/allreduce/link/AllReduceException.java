package dev.kindling.allreduce.link;

/** A collective operation could not be finished; the message names the peer at fault, if one is known. */
public final class AllReduceException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int lost;

    public AllReduceException(String message) {
        this(message, null);
    }

    public AllReduceException(String message, Throwable cause) {
        super(message, cause);
        lost = -1;
    }

    private AllReduceException(Peer peer, String why) {
        super(peer.describe() + " is lost: " + why);
        lost = peer.rank();
    }

    /** The connection to {@code peer} has ended. */
    public static AllReduceException lost(Peer peer, String why) {
        return new AllReduceException(peer, why);
    }

    /** The rank whose connection has ended; -1 where that is not why. */
    public int lost() {
        return lost;
    }
}
