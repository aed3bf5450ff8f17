package dev.kindling.bench;

import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.config.Overrides;
import dev.kindling.config.TrainConfig;
import dev.kindling.data.batch.Batch;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.exchange.RankLinks;
import dev.kindling.nn.Gpt;
import dev.kindling.tensor.Arena;
import dev.kindling.train.Replica;
import dev.kindling.train.StepBatches;
import dev.kindling.train.TrainStep;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;

/**
 * Milliseconds per step of the CPU config, in turns: in this process with two threads, without Spark; under Spark as a user
 * runs it on one executor with two threads, which shows what Spark costs; and on two executors with one thread each, which
 * shows what the sum of gradients costs beside. Run in the checkout's root, on a quiet machine, with the test class path.
 * Argument: steps of a run (default 2400, of which the first half warms up).
 */
public final class SparkStepBench {
    private static final String CONFIG = "conf/shakespeare-char-cpu.yaml";
    private static final int ROUNDS = 2;
    private static final int VOCABULARY = 65;
    private static final long PATIENCE_SECONDS = 300;

    private SparkStepBench() {}

    public static void main(String[] args) throws IOException, InterruptedException {
        int steps = args.length > 0 ? Integer.parseInt(args[0]) : 2400;
        List<Double> alone = new ArrayList<>();
        List<Double> one = new ArrayList<>();
        List<Double> two = new ArrayList<>();
        for (int round = 0; round < ROUNDS; round++) {
            alone.add(medianMillis(steps));
            one.add(medianMillis(1, 2, steps));
            two.add(medianMillis(2, 1, steps));
        }
        System.out.printf("without Spark, 2 threads: %s ms a step%n", alone);
        System.out.printf("1 executor, 2 threads: %s ms a step%n", one);
        System.out.printf("2 executors, 1 thread each: %s ms a step%n", two);
    }

    private static double medianMillis(int steps) throws IOException {
        TrainConfig config =
                TrainConfig.parse(Files.readString(Path.of(CONFIG)), CONFIG, Overrides.set("train.micro_batch=12"));
        try (CpuDevice device = new CpuDevice(2, Precision.FP32);
                Arena arena = device.arena("bench")) {
            Replica replica = new Replica(
                    config,
                    Replica.ModelInputs.windows(config, VOCABULARY),
                    RankLinks.alone(),
                    new Gpt.DeviceArena(device, arena));
            replica.parameters().initialise(config.train().seed());
            StepBatches batches = batches(config, replica);
            List<Double> millis = new ArrayList<>();
            try (TrainStep step = new TrainStep(replica, false)) {
                for (int i = 0; i < steps; i++) {
                    long began = System.nanoTime();
                    step.run(i, batches);
                    millis.add((System.nanoTime() - began) / 1e6);
                }
            }
            return median(millis);
        }
    }

    private static StepBatches batches(TrainConfig config, Replica replica) {
        int batch = config.train().microBatch();
        int length = config.model().blockSize();
        int[] tokens = new Random(1).ints((long) batch * length, 0, VOCABULARY).toArray();
        return StepBatches.windows(List.of(new Batch(tokens, tokens, batch, length)), replica.share());
    }

    /** Of the second half. */
    private static double median(List<Double> millis) {
        List<Double> warm = millis.subList(millis.size() / 2, millis.size()).stream()
                .sorted()
                .toList();
        return warm.get(warm.size() / 2);
    }

    private static double medianMillis(int executors, int threads, int steps) throws IOException, InterruptedException {
        Path run = Files.createTempDirectory("kindling-step-bench").resolve("run");
        Process job = new ProcessBuilder(
                        "./submit.sh",
                        "--conf",
                        "spark.kindling.cpu.threads=" + threads,
                        "train",
                        "--config",
                        CONFIG,
                        "--device",
                        "cpu",
                        "--executors",
                        Integer.toString(executors),
                        "--set",
                        "train.micro_batch=" + 12 / executors,
                        "--set",
                        "train.max_steps=" + steps,
                        "--set",
                        "train.eval_interval=" + steps,
                        "--out",
                        run.toString())
                .inheritIO()
                .start();
        if (!job.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
            job.destroyForcibly();
            throw new IllegalStateException("the run took longer than %d s".formatted(PATIENCE_SECONDS));
        }
        if (job.exitValue() != 0) {
            throw new IllegalStateException("the run failed with exit code %d".formatted(job.exitValue()));
        }
        JsonMapper json = new JsonMapper();
        List<Double> millis = new ArrayList<>();
        for (String line : Files.readAllLines(run.resolve("metrics.jsonl"))) {
            millis.add(json.readTree(line).get("step_millis").asDouble());
        }
        return median(millis);
    }
}
