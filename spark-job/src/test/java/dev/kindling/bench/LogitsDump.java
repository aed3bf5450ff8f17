package dev.kindling.bench;

import dev.kindling.checkpoint.NamedCheckpoint;
import dev.kindling.checkpoint.WhichCheckpoint;
import dev.kindling.config.ClusterSection.AttentionChoice;
import dev.kindling.device.Device;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.inference.InferenceModel;
import dev.kindling.nn.BatchShape;
import dev.kindling.nn.Gpt;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import org.apache.hadoop.conf.Configuration;

/**
 * Writes what a run's model says, in fp32, for {@code judge_hf.py}. Arguments: cpu or cuda, a file of UTF-8 text, run
 * directories. Beside a run RUN, of vocabulary V and context T, are written, little-endian: {@code RUN.ids} (int32, the
 * text's tokens) and, for the windows of T + 1 tokens that {@code RUN.windows} (int32, B (T + 1)) holds, {@code
 * RUN.DEVICE.logits} (F32, B T V) and {@code RUN.DEVICE.losses} (F32, B T).
 */
public final class LogitsDump {
    private LogitsDump() {}

    public static void main(String[] args) throws IOException {
        String text = Files.readString(Path.of(args[1]));
        for (String run : Arrays.asList(args).subList(2, args.length)) {
            Configuration hadoop = new Configuration();
            try (InferenceModel model = InferenceModel.load(
                    NamedCheckpoint.of(
                                    new org.apache.hadoop.fs.Path(Path.of(run).toUri()), WhichCheckpoint.BEST, hadoop)
                            .directory(),
                    AttentionChoice.AUTO,
                    () -> open(args[0]),
                    hadoop)) {
                write(run + ".ids", model.tokenizer().encode(text));
                dump(model, run, args[0]);
            }
        }
    }

    private static Device open(String device) {
        return device.equals("cuda") ? CudaDevice.open(0, Precision.FP32) : new CpuDevice(2, Precision.FP32);
    }

    private static void dump(InferenceModel model, String run, String name) throws IOException {
        int context = model.config().blockSize();
        int[] windows = read(run + ".windows");
        int batch = windows.length / (context + 1);
        Gpt gpt = new Gpt(
                model.parameters(),
                BatchShape.dense(batch, context),
                Gpt.Mode.INFERENCE,
                model.sdpa(),
                new Gpt.DeviceArena(model.device(), model.arena()));
        int[] inputs = new int[batch * context];
        int[] targets = new int[batch * context];
        for (int i = 0; i < inputs.length; i++) {
            inputs[i] = windows[i / context * (context + 1) + i % context];
            targets[i] = windows[i / context * (context + 1) + i % context + 1];
        }
        gpt.load(inputs, targets);
        gpt.forward();
        int padded = model.parameters().paddedVocabulary();
        float[] logits = new float[inputs.length * padded];
        model.device().download(gpt.logits(), logits);
        int vocabulary = model.config().vocabulary();
        float[] own = new float[inputs.length * vocabulary];
        for (int row = 0; row < inputs.length; row++) {
            System.arraycopy(logits, row * padded, own, row * vocabulary, vocabulary);
        }
        write(run + "." + name + ".logits", own);
        gpt.evaluate();
        float[] losses = new float[inputs.length];
        model.device().download(gpt.losses(), losses);
        write(run + "." + name + ".losses", losses);
        System.out.printf(Locale.ROOT, "%s on %s: B %d, T %d, V %d%n", run, name, batch, context, vocabulary);
    }

    private static int[] read(String file) throws IOException {
        byte[] bytes = Files.readAllBytes(Path.of(file));
        int[] numbers = new int[bytes.length / Integer.BYTES];
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer().get(numbers);
        return numbers;
    }

    private static void write(String file, int[] numbers) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(numbers.length * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asIntBuffer().put(numbers);
        Files.write(Path.of(file), bytes.array());
    }

    private static void write(String file, float[] numbers) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(numbers.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(numbers);
        Files.write(Path.of(file), bytes.array());
    }
}
