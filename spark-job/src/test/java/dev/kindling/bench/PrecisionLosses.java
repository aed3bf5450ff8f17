package dev.kindling.bench;

import dev.kindling.config.Overrides;
import dev.kindling.config.TrainConfig;
import dev.kindling.data.batch.Batch;
import dev.kindling.data.token.BpeTokenizer;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.device.Device;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.exchange.RankLinks;
import dev.kindling.nn.Gpt;
import dev.kindling.tensor.Arena;
import dev.kindling.train.Replica;
import dev.kindling.train.StepBatches;
import dev.kindling.train.TrainStep;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.SplittableRandom;

/**
 * Losses of the same training in several precisions: the mean over each tenth of the steps, and over the last tenth of the
 * text, which is not trained on, at the end. Arguments: {@code char} (6 layers, width 384, B64 T256) or {@code gpt2} (124M,
 * B32 T1024, no dropout), a file of UTF-8 text, steps, seed, then precisions, of
 * which {@code fp8+head} has the classifier in FP8, too.
 */
public final class PrecisionLosses {
    private static final int PARTS = 10;
    private static final int VALIDATION_BATCHES = 20;

    private final TrainConfig config;
    private final int vocabulary;
    private final int[] ids;

    private PrecisionLosses(boolean gpt2, String text, String steps, String seed) {
        Tokenizer tokenizer = gpt2 ? new BpeTokenizer() : CharTokenizer.of(text.codePoints());
        config = TrainConfig.defaults()
                .with(Overrides.set(
                        gpt2
                                ? new String[] {
                                    "model.n_layer=12",
                                    "model.n_head=12",
                                    "model.n_embd=768",
                                    "model.block_size=1024",
                                    "model.dropout=0",
                                    "train.global_batch=32",
                                    "train.micro_batch=32",
                                    "train.lr=6e-4",
                                    "train.min_lr=6e-5",
                                    "train.max_steps=" + steps,
                                    "train.lr_decay_steps=" + steps,
                                    "train.warmup_steps=50",
                                    "train.seed=" + seed
                                }
                                : new String[] {"train.seed=" + seed}));
        vocabulary = tokenizer.vocabSize();
        ids = tokenizer.encode(text);
    }

    public static void main(String[] args) throws IOException {
        PrecisionLosses losses =
                new PrecisionLosses(args[0].equals("gpt2"), Files.readString(Path.of(args[1])), args[2], args[3]);
        for (String precision : Arrays.asList(args).subList(4, args.length)) {
            losses.train(precision, Integer.parseInt(args[2]));
        }
    }

    private void train(String name, int steps) {
        boolean head = name.equals("fp8+head");
        Precision precision = head ? Precision.FP8 : Precision.valueOf(name.toUpperCase(Locale.ROOT));
        TrainConfig config = this.config.with(Overrides.set(
                "train.precision=" + precision.name().toLowerCase(Locale.ROOT), "train.fp8_head=" + head));
        boolean cuda = CudaDevice.whyNot().isEmpty();
        try (Device device = cuda ? CudaDevice.open(0, precision) : new CpuDevice(2, precision);
                Arena arena = device.arena("training")) {
            Replica replica = new Replica(
                    config,
                    Replica.ModelInputs.windows(config, vocabulary),
                    RankLinks.alone(),
                    new Gpt.DeviceArena(device, arena));
            replica.parameters().initialise(config.train().seed());
            replica.rehearse();
            SplittableRandom random = new SplittableRandom(config.train().seed());
            int trained = ids.length * 9 / 10;
            double[] sums = new double[PARTS];
            long began = System.nanoTime();
            try (TrainStep step = new TrainStep(replica, true)) {
                for (int i = 0; i < steps; i++) {
                    Batch batch = batch(0, trained, random.nextLong());
                    StepBatches batches = StepBatches.windows(List.of(batch), replica.share());
                    sums[i * PARTS / steps] +=
                            step.run(i, batches).lossSum() / batches.own() / (steps / (double) PARTS);
                }
            }
            double millis = (System.nanoTime() - began) / 1e6 / steps;
            System.out.printf(
                    Locale.ROOT,
                    "%s seed %d, %d steps of %.2f ms: %s; validation %.4f%n",
                    name,
                    config.train().seed(),
                    steps,
                    millis,
                    Arrays.toString(Arrays.stream(sums)
                            .mapToObj(sum -> String.format(Locale.ROOT, "%.4f", sum))
                            .toArray()),
                    validationLoss(replica.evaluation(), device, trained));
        }
    }

    /** The mean loss of a token in windows of the ids from {@code from} on. */
    private double validationLoss(Gpt model, Device device, int from) {
        device.ops().fill(model.lossSum(), 0);
        for (int i = 0; i < VALIDATION_BATCHES; i++) {
            Batch batch = batch(from, ids.length, i);
            model.load(batch.inputs(), batch.targets());
            model.forward();
            model.evaluate();
        }
        float[] sum = new float[1];
        device.download(model.lossSum(), sum);
        return sum[0] / VALIDATION_BATCHES / batch(from, ids.length, 0).inputs().length;
    }

    /** Windows of the ids from {@code from} to {@code to}. */
    private Batch batch(int from, int to, long seed) {
        int rows = config.train().microBatch();
        int length = config.model().blockSize();
        Random random = new Random(seed);
        int[] inputs = new int[rows * length];
        int[] targets = new int[rows * length];
        for (int row = 0; row < rows; row++) {
            int at = from + random.nextInt(to - from - length);
            System.arraycopy(ids, at, inputs, row * length, length);
            System.arraycopy(ids, at + 1, targets, row * length, length);
        }
        return new Batch(inputs, targets, rows, length);
    }
}
