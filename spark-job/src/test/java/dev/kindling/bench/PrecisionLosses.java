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
import dev.kindling.tensor.Tensor;
import dev.kindling.train.Replica;
import dev.kindling.train.StepBatches;
import dev.kindling.train.TrainStep;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.DoubleStream;

/**
 * Losses of the same training in several precisions, for {@link LossChart}. Arguments: {@code char} (6 layers, width 384, B64
 * T256, dropout 0.2) or {@code gpt2} (124M, T1024, no dropout), a file of UTF-8 text, steps, the batch, seeds separated by
 * commas, a CSV file that lines are added to, then precisions, of which {@code fp8+head} has the classifier in FP8, too, and
 * {@code bf16+efficient} is bf16 with the attention of another backend: how far two runs part by rounding alone.
 *
 * <p>A line: model, batch, seed, precision; the mean loss after the steps, without dropout and in bf16, over the text that was
 * trained on, and over the last tenth of the text, which was not; then the loss of each step, as it was trained.
 */
public final class PrecisionLosses {
    private static final int BATCHES = 20;
    private static final int LAST = 50;

    private final TrainConfig config;
    private final int vocabulary;
    private final int[] ids;

    private PrecisionLosses(String model, String text, String steps, String batch) {
        boolean gpt2 = model.equals("gpt2");
        Tokenizer tokenizer = gpt2 ? new BpeTokenizer() : CharTokenizer.of(text.codePoints());
        TrainConfig config =
                TrainConfig.defaults().with(Overrides.set("train.global_batch=" + batch, "train.micro_batch=" + batch));
        this.config = gpt2
                ? config.with(Overrides.set(
                        "model.n_layer=12",
                        "model.n_head=12",
                        "model.n_embd=768",
                        "model.block_size=1024",
                        "model.dropout=0",
                        "train.lr=6e-4",
                        "train.min_lr=6e-5",
                        "train.max_steps=" + steps,
                        "train.lr_decay_steps=" + steps,
                        "train.warmup_steps=100"))
                : config;
        vocabulary = tokenizer.vocabSize();
        ids = tokenizer.encode(text);
    }

    public static void main(String[] args) throws IOException {
        PrecisionLosses losses = new PrecisionLosses(args[0], Files.readString(Path.of(args[1])), args[2], args[3]);
        int steps = Integer.parseInt(args[2]);
        Path csv = Path.of(args[5]);
        for (String seed : args[4].split(",")) {
            for (String precision : Arrays.asList(args).subList(6, args.length)) {
                String run = String.join(",", args[0], args[3], seed, precision);
                Files.writeString(
                        csv,
                        run + "," + losses.train(run, seed, precision, steps) + "\n",
                        StandardOpenOption.CREATE,
                        StandardOpenOption.APPEND);
            }
        }
    }

    /** The losses of a run, after the steps and of each step, separated by commas. */
    private String train(String run, String seed, String name, int steps) {
        List<String> words = List.of(name.split("\\+"));
        Precision precision = Precision.valueOf(words.get(0).toUpperCase(Locale.ROOT));
        TrainConfig config = this.config.with(Overrides.set(
                "train.precision=" + words.get(0),
                "train.fp8_head=" + words.contains("head"),
                "cluster.attention=" + (words.contains("efficient") ? "efficient" : "auto"),
                "train.seed=" + seed));
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
            double[] losses = new double[steps];
            long began = System.nanoTime();
            try (TrainStep step = new TrainStep(replica, true)) {
                for (int i = 0; i < steps; i++) {
                    Batch batch = batch(0, trained, random.nextLong());
                    StepBatches batches = StepBatches.windows(List.of(batch), replica.share());
                    losses[i] = step.run(i, batches).lossSum() / batches.own();
                }
            }
            double millis = (System.nanoTime() - began) / 1e6 / steps;
            double validation = loss(replica.evaluation(), device, trained, ids.length);
            double training = loss(replica.evaluation(), device, 0, trained);
            System.out.printf(
                    Locale.ROOT,
                    "%s: %d steps of %.2f ms, loss of the last %d %.4f, afterwards %.4f, validation %.4f, hash of the weights %08x%n",
                    run,
                    steps,
                    millis,
                    LAST,
                    ofTheLast(losses),
                    training,
                    validation,
                    hash(replica.parameters().master(), device));
            return DoubleStream.concat(DoubleStream.of(training, validation), Arrays.stream(losses))
                    .mapToObj(loss -> String.format(Locale.ROOT, "%.4f", loss))
                    .collect(Collectors.joining(","));
        }
    }

    private static double ofTheLast(double[] losses) {
        return Arrays.stream(losses)
                .skip(Math.max(0, losses.length - LAST))
                .average()
                .orElseThrow();
    }

    /** Of all bits: equal runs have the same. */
    private static int hash(Tensor weights, Device device) {
        float[] values = new float[Math.toIntExact(weights.count())];
        device.download(weights, values);
        return Arrays.hashCode(values);
    }

    /** The mean loss of a token in windows of the ids from {@code from} to {@code to}. */
    private double loss(Gpt model, Device device, int from, int to) {
        device.ops().fill(model.lossSum(), 0);
        for (int i = 0; i < BATCHES; i++) {
            Batch batch = batch(from, to, i);
            model.load(batch.inputs(), batch.targets());
            model.forward();
            model.evaluate();
        }
        float[] sum = new float[1];
        device.download(model.lossSum(), sum);
        return sum[0] / BATCHES / batch(from, to, 0).inputs().length;
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
