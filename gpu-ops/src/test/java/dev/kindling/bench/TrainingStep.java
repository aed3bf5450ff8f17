package dev.kindling.bench;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.attention.Sdpa;
import dev.kindling.device.Device;
import dev.kindling.device.Replay;
import dev.kindling.device.StepInputs;
import dev.kindling.nn.Activations;
import dev.kindling.nn.BatchShape;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.optim.AdamW;
import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import java.util.Random;
import java.util.Set;

/** A whole training step on one device, fed with the same random micro-batch again and again. */
final class TrainingStep implements AutoCloseable {
    private final Device device;
    private final Arena arena;
    private final Parameters parameters;
    private final Gpt gpt;
    private final AdamW adamW;
    private final GradientClip clip;
    private final int rows;
    private Replay replay;
    private long step;

    /** Takes over the device. */
    TrainingStep(Device device, GptConfig config, int batch, boolean fp8Head, Set<Kind> backends) {
        this.device = device;
        arena = device.arena("benchmark");
        parameters = new Parameters(config, device, arena, true);
        parameters.initialise(1337);
        gpt = new Gpt(
                parameters,
                BatchShape.dense(batch, config.blockSize()),
                new Gpt.Training(Activations.WHOLE, fp8Head),
                new Sdpa(device, arena, backends),
                new Gpt.DeviceArena(device, arena));
        adamW = new AdamW(parameters, new AdamW.Coefficients(0.9f, 0.99f, 0.1f), DType.F32, device, arena);
        clip = new GradientClip(device.ops(), 1);
        rows = batch * config.blockSize();
        Random random = new Random(1);
        gpt.load(
                random.ints(rows, 0, config.vocabulary()).toArray(),
                random.ints(rows, 0, config.vocabulary()).toArray());
    }

    int rows() {
        return rows;
    }

    Device device() {
        return device;
    }

    /** Captures the step; call after it has run eagerly. */
    void compile() {
        replay = device.capture(this::enqueue);
    }

    /** Enqueues a step. */
    void run() {
        begin();
        enqueue();
    }

    /** Enqueues a step as captured; call after {@link #compile}. */
    void replay() {
        begin();
        replay.run();
    }

    private void begin() {
        device.setStep(
                new StepInputs(1, step, 1e-3f, adamW.beta1Correction(step), adamW.beta2Correction(step), 1f / rows));
        step++;
    }

    private void enqueue() {
        device.ops().fill(gpt.lossSum(), 0);
        gpt.beginStep();
        gpt.forward();
        gpt.backward(false, bucket -> {});
        gpt.endStep();
        clip.apply(parameters.gradients());
        adamW.step(range -> {});
    }

    /** The mean loss of the last step. */
    double loss() {
        float[] sum = new float[1];
        device.download(gpt.lossSum(), sum);
        return sum[0] / rows;
    }

    @Override
    public void close() {
        if (replay != null) {
            replay.close();
        }
        arena.close();
        device.close();
    }
}
