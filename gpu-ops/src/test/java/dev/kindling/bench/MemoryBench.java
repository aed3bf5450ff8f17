package dev.kindling.bench;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.attention.Sdpa;
import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.Replay;
import dev.kindling.device.StepInputs;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.nn.Activations;
import dev.kindling.nn.BatchShape;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.Recompute;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.optim.AdamW;
import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Random;

/**
 * Memory and speed of a captured training step on the first GPU, bf16, T1024, biases, by what backward computes again; and
 * the squares of the weights after the steps, which are the same bits for each of them. Arguments: layers, heads, width, batch,
 * then any number of RECOMPUTE:HEADROWS:MOMENTS such as {@code none:0:F32} or {@code layer:8192:BF16}, and :FP8 or
 * :FP8HEAD behind it for training in FP8, or :DROPOUT for dropout 0.2 in bf16.
 */
public final class MemoryBench {
    private static final int T = 1024;
    private static final int VOCABULARY = 50257;
    private static final int WARM_UP = 3;
    private static final int STEPS = 10;

    private MemoryBench() {}

    public static void main(String[] args) {
        for (int i = 4; i < args.length; i++) {
            String[] way = args[i].split(":");
            String more = way.length > 3 ? way[3] : "";
            GptConfig config = new GptConfig(
                    VOCABULARY,
                    T,
                    Integer.parseInt(args[0]),
                    Integer.parseInt(args[1]),
                    Integer.parseInt(args[2]),
                    more.equals("DROPOUT") ? 0.2f : 0,
                    true,
                    Gelu.Form.TANH);
            Activations activations =
                    new Activations(Recompute.valueOf(way[0].toUpperCase(Locale.ROOT)), Integer.parseInt(way[1]));
            boolean fp8 = more.startsWith("FP8");
            Gpt.Training training = new Gpt.Training(activations, more.equals("FP8HEAD"));
            try (CudaDevice device = CudaDevice.open(0, fp8 ? Precision.FP8 : Precision.BF16);
                    Arena arena = device.arena("benchmark")) {
                run(config, Integer.parseInt(args[3]), training, DType.valueOf(way[2]), device, arena);
            }
        }
    }

    private static void run(
            GptConfig config, int batch, Gpt.Training training, DType moments, CudaDevice device, Arena arena) {
        Parameters parameters = new Parameters(config, device, arena, true);
        fill(parameters.master(), device);
        device.ops().copy(parameters.master(), parameters.working());
        AdamW adamW = new AdamW(parameters, new AdamW.Coefficients(0.9f, 0.95f, 0.1f), moments, device, arena);
        Sdpa sdpa = new Sdpa(device, arena, EnumSet.allOf(Kind.class));
        BatchShape shape = BatchShape.dense(batch, T);
        Gpt gpt = new Gpt(parameters, shape, training, sdpa, new Gpt.DeviceArena(device, arena));
        Random random = new Random(1);
        gpt.load(
                random.ints(shape.rows(), 0, VOCABULARY).toArray(),
                random.ints(shape.rows(), 0, VOCABULARY).toArray());
        GradientClip clip = new GradientClip(device.ops(), 1);
        try (Replay replay = device.capture(() -> {
            device.ops().fill(gpt.lossSum(), 0);
            gpt.beginStep();
            gpt.forward();
            gpt.backward(false, bucket -> {});
            gpt.endStep();
            clip.apply(parameters.gradients());
            adamW.step(range -> {});
        })) {
            double seconds = time(replay, adamW, shape, device);
            float[] loss = new float[1];
            device.download(gpt.lossSum(), loss);
            double weights = 0;
            for (double part : device.ops().squares(parameters.master())) {
                weights += part;
            }
            System.out.printf(
                    Locale.ROOT,
                    "%,d weights, B%d, recompute %s, %d rows of logits, moments %s: peak %,d bytes (%.2f GiB), %.1f ms, %,.0f tokens/s, loss sum %s, squares of weights %s%n",
                    parameters.count(),
                    batch,
                    training.activations().recompute(),
                    training.activations().headRows(),
                    moments,
                    device.peakBytes(),
                    device.peakBytes() / (double) (1 << 30),
                    1000 * seconds,
                    shape.rows() / seconds,
                    loss[0],
                    weights);
        }
    }

    /** Seconds of a step. */
    private static double time(Replay replay, AdamW adamW, BatchShape shape, CudaDevice device) {
        long begin = 0;
        for (int step = 0; step < WARM_UP + STEPS; step++) {
            if (step == WARM_UP) {
                device.synchronize();
                begin = System.nanoTime();
            }
            device.setStep(new StepInputs(
                    1, step, step, 1e-4f, adamW.beta1Correction(step), adamW.beta2Correction(step), 1f / shape.rows()));
            replay.run();
        }
        device.synchronize();
        return (System.nanoTime() - begin) / 1e9 / STEPS;
    }

    /** N(0, 0.02), a million values again and again: drawing all of them would take longer than the steps. */
    private static void fill(Tensor weights, CudaDevice device) {
        Random random = new Random(2);
        float[] values = new float[1 << 20];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (0.02 * random.nextGaussian());
        }
        for (long at = 0; at < weights.count(); at += values.length) {
            int n = (int) Math.min(values.length, weights.count() - at);
            device.upload(n == values.length ? values : Arrays.copyOf(values, n), weights.slice(0, at, n));
        }
    }
}
