package dev.kindling.bench;

import dev.kindling.attention.AttentionBackend.Kind;
import dev.kindling.attention.Sdpa;
import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.StepInputs;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.nn.BatchShape;
import dev.kindling.nn.FlatWeights;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.tensor.Arena;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Random;

/**
 * Writes what one forward and backward pass gave, for src/test/python/judge_step.py to compare with PyTorch: layout.txt
 * (name, offset, extents), weights, gradients, losses and logits as little-endian F32, tokens and targets as I32.
 * Arguments: a directory, {@code cpu} or {@code cuda}, {@code fp32} or {@code bf16}.
 */
public final class ParityDump {
    private static final GptConfig CONFIG = new GptConfig(509, 128, 3, 4, 256, 0, true, Gelu.Form.ERF);
    private static final int BATCH = 4;

    private ParityDump() {}

    public static void main(String[] args) throws IOException {
        Path directory = Files.createDirectories(Path.of(args[0]));
        Precision precision = args[2].equals("bf16") ? Precision.BF16 : Precision.FP32;
        try (Device device = args[1].equals("cuda") ? CudaDevice.open(0, precision) : new CpuDevice(2, precision);
                Arena arena = device.arena("parity")) {
            Parameters parameters = new Parameters(CONFIG, device, arena, true);
            parameters.initialise(1);
            float[] weights = FlatWeights.of(device, parameters);
            Random random = new Random(2);
            for (int i = 0; i < weights.length; i++) {
                weights[i] = 2 * weights[i] + 0.02f * (float) random.nextGaussian();
            }
            FlatWeights.load(weights, parameters);
            Gpt gpt = new Gpt(
                    parameters,
                    BatchShape.dense(BATCH, CONFIG.blockSize()),
                    Gpt.Mode.TRAINING,
                    new Sdpa(device, arena, EnumSet.allOf(Kind.class)),
                    new Gpt.DeviceArena(device, arena));
            int rows = gpt.shape().rows();
            int[] tokens = random.ints(rows, 0, CONFIG.vocabulary()).toArray();
            int[] targets = random.ints(rows, 0, CONFIG.vocabulary()).toArray();
            device.setStep(new StepInputs(1, 0, 1e-3f, 1, 1, 1f / rows));
            device.ops().fill(parameters.gradients(), 0);
            gpt.load(tokens, targets);
            gpt.forward();
            float[] logits = new float[rows * parameters.paddedVocabulary()];
            device.download(gpt.logits(), logits);
            gpt.backward(true, bucket -> {});
            float[] gradients = new float[weights.length];
            float[] losses = new float[rows];
            device.download(parameters.gradients(), gradients);
            device.download(gpt.losses(), losses);
            write(directory.resolve("weights.f32"), weights);
            write(directory.resolve("gradients.f32"), gradients);
            write(directory.resolve("losses.f32"), losses);
            write(directory.resolve("logits.f32"), logits);
            write(directory.resolve("tokens.i32"), tokens);
            write(directory.resolve("targets.i32"), targets);
            Files.writeString(directory.resolve("layout.txt"), layout(parameters));
        }
    }

    private static String layout(Parameters parameters) {
        StringBuilder text = new StringBuilder();
        text.append("config %d %d %d %d %d %d%n"
                .formatted(
                        CONFIG.vocabulary(),
                        parameters.paddedVocabulary(),
                        CONFIG.blockSize(),
                        CONFIG.layers(),
                        CONFIG.heads(),
                        CONFIG.width()));
        for (Parameters.Entry entry : parameters.entries()) {
            text.append(entry.name()).append(' ').append(entry.offset());
            for (long extent : entry.shape().toArray()) {
                text.append(' ').append(extent);
            }
            text.append('\n');
        }
        return text.toString();
    }

    private static void write(Path file, float[] values) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        Files.write(file, bytes.array());
    }

    private static void write(Path file, int[] values) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asIntBuffer().put(values);
        Files.write(file, bytes.array());
    }
}
