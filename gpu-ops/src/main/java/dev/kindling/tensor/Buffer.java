package dev.kindling.tensor;

/**
 * A piece of a device's memory. Each device has its own subclass ({@code CpuBuffer}, {@code CudaBuffer}); it is owned
 * by the {@link Arena} that allocated it and must not be used after that arena is closed.
 */
public interface Buffer {
    /** What the memory is for, as errors name it, e.g. {@code "activations/h.0.attn"}. */
    String name();

    DType dtype();

    /** Capacity in elements. */
    long count();
}
