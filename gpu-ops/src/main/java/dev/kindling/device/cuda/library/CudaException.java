package dev.kindling.device.cuda.library;

/** A CUDA, NVRTC or cuBLAS call failed: the message says which call, on what, the decoded code and what to do. */
public final class CudaException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public CudaException(String message) {
        super(message);
    }

    public CudaException(String message, Throwable cause) {
        super(message, cause);
    }
}
