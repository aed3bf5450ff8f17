package dev.kindling.bench;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Milliseconds per step of the CPU config under Spark, as a user runs it: one executor with two threads, then two
 * executors with one thread each; {@code StepBench} in gpu-ops gives the same step in one JVM without Spark. Run in the
 * checkout's root, on a quiet machine, with the test class path. Argument: steps of a run (default 600, of which the
 * first half warms up).
 */
public final class SparkStepBench {
    private static final int ROUNDS = 2;
    private static final long PATIENCE_SECONDS = 300;

    private SparkStepBench() {}

    public static void main(String[] args) throws IOException, InterruptedException {
        int steps = args.length > 0 ? Integer.parseInt(args[0]) : 600;
        List<Double> one = new ArrayList<>();
        List<Double> two = new ArrayList<>();
        for (int round = 0; round < ROUNDS; round++) {
            one.add(medianMillis(1, 2, steps));
            two.add(medianMillis(2, 1, steps));
        }
        System.out.printf("1 executor, 2 threads: %s ms a step%n", one);
        System.out.printf("2 executors, 1 thread each: %s ms a step%n", two);
    }

    private static double medianMillis(int executors, int threads, int steps) throws IOException, InterruptedException {
        Path run = Files.createTempDirectory("kindling-step-bench").resolve("run");
        Process job = new ProcessBuilder(
                        "./submit.sh",
                        "--conf",
                        "spark.kindling.cpu.threads=" + threads,
                        "train",
                        "--config",
                        "conf/shakespeare-char-cpu.yaml",
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
        List<Double> warm = millis.subList(steps / 2, steps).stream().sorted().toList();
        return warm.get(warm.size() / 2);
    }
}
