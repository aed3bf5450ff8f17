package dev.kindling.nn;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.attention.Sdpa;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.device.StepInputs;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.tensor.Arena;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** A model with weights that show every term, on a device that a subclass opens. */
abstract class GptFixture {
    static final int BATCH = 3;
    static final int LENGTH = 13;
    Device device;
    Arena arena;

    abstract Device open();

    /** Relative error allowed in losses and directional derivatives. */
    abstract double tolerance();

    @BeforeEach
    void openDevice() {
        device = open();
        arena = new PoisonedArena(device, "test");
    }

    /** Goes on with another device than the subclass's. */
    final void use(Device other) {
        closeDevice();
        device = other;
        arena = new PoisonedArena(device, "test");
    }

    @AfterEach
    void closeDevice() {
        if (device != null) {
            arena.close();
            device.close();
        }
    }

    static GptConfig config(boolean bias, Gelu.Form form, float dropout) {
        return new GptConfig(29, 16, 2, 2, 64, dropout, bias, form);
    }

    Gpt gpt(Parameters parameters, BatchShape shape, Kind... kinds) {
        EnumSet<Kind> allowed = kinds.length == 0 ? EnumSet.allOf(Kind.class) : EnumSet.copyOf(List.of(kinds));
        return new Gpt(
                parameters,
                shape,
                Gpt.Mode.TRAINING,
                new Sdpa(device, arena, allowed),
                new Gpt.DeviceArena(device, arena));
    }

    /** Weights larger than at initialisation, so that every term shows in the loss. */
    Parameters parameters(GptConfig config) {
        Parameters parameters = new Parameters(config, device, arena, true);
        parameters.initialise(7);
        float[] flat = FlatWeights.of(device, parameters);
        Random random = new Random(11);
        for (int i = 0; i < flat.length; i++) {
            flat[i] = flat[i] * 4 + 0.02f * (float) random.nextGaussian();
        }
        FlatWeights.load(flat, parameters);
        return parameters;
    }

    static int[] tokens(long seed, int vocabulary) {
        return new Random(seed).ints(BATCH * LENGTH, 0, vocabulary).toArray();
    }

    double run(Gpt gpt, Parameters parameters, int[] inputs, int[] targets) {
        device.ops().fill(parameters.gradients(), Float.NaN); // backward overwrites all
        device.ops().fill(gpt.lossSum(), 0);
        device.setStep(new StepInputs(5, 3, 1e-3f, 0.1f, 0.1f, 1f / inputs.length));
        gpt.load(inputs, targets);
        gpt.beginStep();
        gpt.forward();
        gpt.backward(false, bucket -> {});
        gpt.endStep();
        float[] sum = new float[1];
        device.download(gpt.lossSum(), sum);
        return sum[0] / inputs.length;
    }

    static double[] toDouble(float[] values) {
        double[] doubles = new double[values.length];
        for (int i = 0; i < values.length; i++) {
            doubles[i] = values[i];
        }
        return doubles;
    }

    /** The backends that can run the test model's attention on this device. */
    List<Kind> usable(BatchShape shape, float dropout) {
        Sdpa sdpa = new Sdpa(device, arena, EnumSet.allOf(Kind.class));
        AttentionShape attention = AttentionShape.self(
                shape.packed() ? shape.packedSequences() : shape.batch(),
                2,
                shape.length(),
                32,
                device.activationType(),
                true,
                dropout,
                shape.packed());
        return Stream.of(Kind.values())
                .filter(kind -> sdpa.whyNot(kind, attention).isEmpty())
                .toList();
    }

    float[] gradients(Parameters parameters) {
        float[] gradients = new float[Math.toIntExact(parameters.count())];
        device.download(parameters.gradients(), gradients);
        return gradients;
    }

    static double relativeError(float[] actual, float[] expected) {
        double difference = 0;
        double size = 0;
        for (int i = 0; i < expected.length; i++) {
            difference += Math.pow(actual[i] - expected[i], 2);
            size += Math.pow(expected[i], 2);
        }
        return Math.sqrt(difference / size);
    }
}
