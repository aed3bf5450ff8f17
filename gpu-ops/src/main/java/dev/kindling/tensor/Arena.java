package dev.kindling.tensor;

/**
 * A scope that owns device memory: everything allocated from it is freed when it is closed. Not thread-safe.
 *
 * <p>{@code try (Arena step = device.arena("activations")) { ... }}
 */
public interface Arena extends AutoCloseable {
    /**
     * A dense tensor of unspecified content.
     *
     * @throws DeviceMemoryException if the device has too little memory: it says what was asked for, what is free and
     *     which setting to lower
     */
    Tensor allocate(String name, DType dtype, Shape shape);

    default Tensor allocate(String name, DType dtype, long... extents) {
        return allocate(name, dtype, Shape.of(extents));
    }

    @Override
    void close();
}
