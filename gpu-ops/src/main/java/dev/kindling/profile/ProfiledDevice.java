package dev.kindling.profile;

import dev.kindling.device.Device;
import dev.kindling.device.Ops;
import dev.kindling.device.PeakRate;
import dev.kindling.device.Precision;
import dev.kindling.device.Readback;
import dev.kindling.device.Replay;
import dev.kindling.device.StepInputs;
import dev.kindling.device.Stopwatch;
import dev.kindling.device.TensorReader;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;
import java.util.Optional;
import java.util.OptionalDouble;

/** A device whose operators report to a {@link Profiler}; a captured step is one operator. */
final class ProfiledDevice implements Device {
    private final Device device;
    private final Profiler profiler;
    private final Ops ops;

    ProfiledDevice(Device device, Profiler profiler) {
        this.device = device;
        this.profiler = profiler;
        this.ops = new ProfiledOps(device.ops(), profiler);
    }

    @Override
    public Kind kind() {
        return device.kind();
    }

    @Override
    public String description() {
        return device.description();
    }

    @Override
    public Precision precision() {
        return device.precision();
    }

    @Override
    public DType activationType() {
        return device.activationType();
    }

    @Override
    public Ops ops() {
        return ops;
    }

    @Override
    public Arena arena(String name) {
        return device.arena(name);
    }

    @Override
    public void upload(FloatBuffer from, Tensor to) {
        device.upload(from, to);
    }

    @Override
    public void upload(int[] from, Tensor to) {
        device.upload(from, to);
    }

    @Override
    public void download(Tensor from, FloatBuffer to) {
        device.download(from, to);
    }

    @Override
    public Readback readback(Tensor from) {
        return device.readback(from);
    }

    @Override
    public TensorReader reader() {
        return device.reader();
    }

    @Override
    public Optional<float[]> hostArray(Tensor tensor) {
        return device.hostArray(tensor);
    }

    @Override
    public void setStep(StepInputs inputs) {
        device.setStep(inputs);
    }

    @Override
    public float gradientNorm() {
        return device.gradientNorm();
    }

    @Override
    public Replay capture(Runnable step) {
        Replay replay = device.capture(() -> profiler.unrecorded(step));
        return new Replay() {
            @Override
            public void run() {
                profiler.time("captured step", replay::run);
            }

            @Override
            public void close() {
                replay.close();
            }
        };
    }

    @Override
    public void synchronize() {
        device.synchronize();
    }

    @Override
    public Stopwatch stopwatch() {
        return device.stopwatch();
    }

    @Override
    public long allocatedBytes() {
        return device.allocatedBytes();
    }

    @Override
    public long peakBytes() {
        return device.peakBytes();
    }

    @Override
    public Memory memory() {
        return device.memory();
    }

    @Override
    public PeakRate peakRate() {
        return device.peakRate();
    }

    @Override
    public OptionalDouble energyJoules() {
        return device.energyJoules();
    }

    @Override
    public void close() {
        profiler.close();
        device.close();
    }
}
