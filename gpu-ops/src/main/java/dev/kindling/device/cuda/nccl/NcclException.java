package dev.kindling.device.cuda.nccl;

import dev.kindling.device.cuda.collective.CollectiveException;

/** A collective operation of NCCL failed; the message says which, with NCCL's own words. */
public final class NcclException extends CollectiveException {
    private static final long serialVersionUID = 1;

    public NcclException(String message) {
        super(message);
    }
}
