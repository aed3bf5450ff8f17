package dev.kindling.device.cuda.nccl;

/** A collective operation between GPUs failed; the message says which, with NCCL's own words. */
public final class NcclException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public NcclException(String message) {
        super(message);
    }
}
