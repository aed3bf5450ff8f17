package dev.kindling.bench;

import dev.kindling.checkpoint.NamedCheckpoint;
import dev.kindling.checkpoint.WhichCheckpoint;
import dev.kindling.config.ClusterSection.AttentionChoice;
import dev.kindling.device.Device;
import dev.kindling.device.Precision;
import dev.kindling.device.Replay;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.inference.InferenceModel;
import dev.kindling.nn.BatchShape;
import dev.kindling.nn.Gpt;
import java.util.Random;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * The rate of the forward pass alone, with losses, over dense batches of random tokens: what {@code evaluate} is held
 * against. Arguments: cpu or cuda, a run directory, the batch, threads.
 */
public final class ForwardBench {
    private static final int WARM_UP = 5;
    private static final double SECONDS = 3;

    private ForwardBench() {}

    /** Prints positions a second. */
    public static void main(String[] args) throws Exception {
        boolean cuda = args[0].equals("cuda");
        int batch = Integer.parseInt(args[2]);
        Configuration hadoop = new Configuration();
        Path directory = NamedCheckpoint.of(new Path(args[1]), WhichCheckpoint.LATEST, hadoop)
                .directory();
        try (InferenceModel model = InferenceModel.load(
                directory,
                AttentionChoice.AUTO,
                () -> cuda
                        ? CudaDevice.open(0, Precision.BF16)
                        : new CpuDevice(Integer.parseInt(args[3]), Precision.FP32),
                hadoop)) {
            time(model, batch);
        }
    }

    private static void time(InferenceModel model, int batch) {
        Device device = model.device();
        BatchShape shape = BatchShape.dense(batch, model.config().blockSize());
        Gpt gpt = new Gpt(
                model.parameters(),
                shape,
                Gpt.Mode.INFERENCE,
                model.sdpa(),
                new Gpt.DeviceArena(device, model.arena()));
        int[] tokens =
                new Random(1).ints(shape.rows(), 0, model.config().vocabulary()).toArray();
        gpt.load(tokens, tokens);
        Runnable forward = () -> {
            gpt.forward();
            gpt.evaluate();
        };
        forward.run();
        device.synchronize();
        try (Replay replay = device.capture(forward)) {
            for (int i = 0; i < WARM_UP; i++) {
                replay.run();
            }
            device.synchronize();
            long began = System.nanoTime();
            long passes = 0;
            while (System.nanoTime() - began < SECONDS * 1e9) {
                replay.run();
                device.synchronize();
                passes++;
            }
            double seconds = (System.nanoTime() - began) / 1e9;
            System.out.printf(
                    "%s, %d x %d, attention %s: %.3f ms, %,.0f positions/s%n",
                    device.description(),
                    batch,
                    shape.length(),
                    model.sdpa().chosen(),
                    seconds * 1e3 / passes,
                    passes * shape.rows() / seconds);
        }
    }
}
