package dev.kindling.device.cuda.collective;

/** A collective operation between GPUs failed, as a rule because a peer is lost; the message says which. */
public class CollectiveException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public CollectiveException(String message) {
        super(message);
    }
}
