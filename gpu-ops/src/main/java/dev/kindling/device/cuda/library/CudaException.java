package dev.kindling.device.cuda.library;

/** A CUDA, NVRTC or cuBLAS call failed: the message says which call, on what, the decoded code and what to do. */
public final class CudaException extends RuntimeException {
    private static final long serialVersionUID = 2;

    private final boolean contextLost;

    public CudaException(String message) {
        this(message, false);
    }

    /** @param contextLost whether this process can do nothing more on the GPU: every later call fails as this one did */
    public CudaException(String message, boolean contextLost) {
        super(message);
        this.contextLost = contextLost;
    }

    public CudaException(String message, Throwable cause) {
        super(message, cause);
        this.contextLost = false;
    }

    /**
     * Whether {@code failure}, one of its causes, or what they suppress, says that this process can do nothing more on its
     * GPU, so that only a new process can. The second failure may be the first to say so: cuBLAS and NCCL hide the code.
     */
    public static boolean tellsOfLostContext(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof CudaException cuda && cuda.contextLost) {
                return true;
            }
            for (Throwable suppressed : cause.getSuppressed()) {
                if (tellsOfLostContext(suppressed)) {
                    return true;
                }
            }
        }
        return false;
    }
}
