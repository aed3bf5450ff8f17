package dev.kindling.device.cuda.peer;

import dev.kindling.device.cuda.collective.CollectiveException;

/** Not every GPU of the group can read the others' memory; the message says which rank could not, and why. */
public final class PeerAccessException extends CollectiveException {
    private static final long serialVersionUID = 1;

    public PeerAccessException(String message) {
        super(message);
    }
}
