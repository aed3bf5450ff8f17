package dev.kindling.device;

import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * One processor with its memory and its {@link Ops}. Used by one thread at a time. Work is enqueued in order;
 * {@link #download} and {@link #synchronize} wait for it. Closing frees everything, arenas included.
 */
public interface Device extends AutoCloseable {
    enum Kind {
        CPU,
        CUDA
    }

    Kind kind();

    /** For people: model, threads or memory, vector width, e.g. {@code "NVIDIA H100 80GB HBM3 (GPU-...)"}. */
    String description();

    Precision precision();

    /** The type of activations and working weights under {@link #precision}: F32 on the CPU. */
    DType activationType();

    Ops ops();

    Arena arena(String name);

    /** Copies floats into a dense tensor of F32, BF16 or F16 (rounded to nearest even) or BOOL (0 is false). */
    default void upload(float[] from, Tensor to) {
        upload(FloatBuffer.wrap(from), to);
    }

    /** The same from what the buffer has left; its position stays, and it may be filled anew when this returns. */
    void upload(FloatBuffer from, Tensor to);

    /** Copies into a dense I32 tensor. */
    void upload(int[] from, Tensor to);

    /** Waits for all work enqueued so far, then copies a dense F32, BF16 or F16 tensor out. */
    default void download(Tensor from, float[] to) {
        if (from.count() != to.length) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "cannot copy %s to %,d values of the host", from, to.length));
        }
        download(from, FloatBuffer.wrap(to));
    }

    /** The same, to as many values of the buffer from its position on, which stays. */
    void download(Tensor from, FloatBuffer to);

    /** Reads a dense F32 tensor time and again; close it before the device. */
    Readback readback(Tensor from);

    /** Reads tensors beside this device's work; close it before the arenas of what it reads. */
    TensorReader reader();

    /**
     * The heap array whose elements from {@link Tensor#offset} on are a dense F32 tensor, where the device computes in
     * host memory; empty elsewhere. Reads and writes through it must not overlap with work on the tensor.
     */
    Optional<float[]> hostArray(Tensor tensor);

    void setStep(StepInputs inputs);

    /** The norm that the last {@link Ops#gradientNorm} found; waits for it. */
    float gradientNorm();

    /**
     * Captures {@code step} for replay; nothing it enqueues is executed by that. Everything it uses must have been
     * allocated before.
     */
    Replay capture(Runnable step);

    /** Waits, for a bounded time, until all enqueued work is done. */
    void synchronize();

    /** A timer of this device's work; close it before the device. */
    Stopwatch stopwatch();

    /** Bytes allocated now over all arenas. */
    long allocatedBytes();

    /** The most bytes that were ever allocated at once. */
    long peakBytes();

    /**
     * The memory that arenas can take.
     *
     * @param total bytes of the device, or the largest size of the heap where that serves
     * @param free bytes that nobody holds now
     */
    record Memory(long total, long free) {}

    Memory memory();

    /** The most that this device can compute a second under {@link #precision}; may take a moment to measure. */
    PeakRate peakRate();

    /**
     * Joules that the whole processor has drawn since a moment of its own choosing, whoever used it; empty where no counter
     * tells. The counter moves a few times a second, so take differences over seconds.
     */
    OptionalDouble energyJoules();

    @Override
    void close();
}
