package dev.kindling.bench;

import com.sun.management.OperatingSystemMXBean;
import dev.kindling.config.Overrides;
import dev.kindling.config.TrainConfig;
import dev.kindling.coordinate.Coordinator;
import dev.kindling.coordinate.WatchedGeneration;
import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.run.RunDirectory;
import dev.kindling.session.SparkSettings;
import dev.kindling.storage.Storage;
import dev.kindling.train.TrainingRecord;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Formatter;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.rpc.RpcAddress;

/**
 * What a driver costs with a thousand ranks: its endpoint, watchdog, metrics.jsonl, TensorBoard, event log's events and tab in
 * the Spark UI are the real ones, the ranks are {@link SimulatedRanks} in a process of their own. Prints a Markdown table with
 * a row for each sixth of the time: steps done, the driver's CPU time, its heap after a collection, and time and size of the tab's page.
 * Arguments: seconds (default 60), ranks (1000), steps a second (10). Needs the environment of the tests.
 */
public final class ThousandRanksBench {
    private static final int ROWS = 6;
    private static final long WATCH_MILLIS = 50;
    private static final int WARM_UP_SECONDS = 15;
    private static final OperatingSystemMXBean PROCESS =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private final JavaSparkContext spark;
    private final TrainingRecord record;
    private final WatchedGeneration generation;
    private final Path run;

    private ThousandRanksBench(JavaSparkContext spark, TrainingRecord record, WatchedGeneration generation, Path run) {
        this.spark = spark;
        this.record = record;
        this.generation = generation;
        this.run = run;
    }

    /** Runs the benchmark. */
    public static void main(String[] arguments) throws Exception {
        int seconds = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 60;
        int ranks = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 1000;
        double stepsPerSecond = arguments.length > 2 ? Double.parseDouble(arguments[2]) : 10;
        Path run = Files.createTempDirectory("kindling-thousand-ranks");
        TrainConfig config = TrainConfig.defaults()
                .with(Overrides.set("train.max_steps=1000000", "train.lr_decay_steps=1000000"))
                .withCluster(cluster -> cluster.withExecutors(ranks));
        SparkConf conf = new SparkConf(false)
                .setMaster("local[1]")
                .set("spark.ui.enabled", "true")
                .set("spark.ui.port", "0");
        try (JavaSparkContext spark = new JavaSparkContext(SparkSettings.forBarriers(conf, "bench", 1, 0));
                TrainingRecord record = new TrainingRecord(
                        config, RunDirectory.at(run.toString(), Storage.settings()), spark, step -> {});
                Coordinator coordinator = new Coordinator(spark, record.handlers())) {
            Generation first = new Generation(1, ranks, 0, 1);
            record.started(first);
            WatchedGeneration generation = new WatchedGeneration(coordinator, first, Limits.standard(), record);
            Process simulated = simulate(ranks, stepsPerSecond);
            try {
                new ThousandRanksBench(spark, record, generation, run).measure(seconds, stepsPerSecond, simulated);
            } finally {
                simulated.destroyForcibly().waitFor();
            }
        }
    }

    private static Process simulate(int ranks, double stepsPerSecond) throws IOException {
        RpcAddress driver = SparkEnv.get().rpcEnv().address();
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(argument -> argument.startsWith("--add-"))
                .toList());
        command.addAll(List.of(
                "-cp",
                System.getProperty("java.class.path"),
                SimulatedRanks.class.getName(),
                driver.host(),
                Integer.toString(driver.port()),
                Integer.toString(ranks),
                Double.toString(stepsPerSecond)));
        return new ProcessBuilder(command).inheritIO().start();
    }

    private void measure(int seconds, double stepsPerSecond, Process simulated) throws Exception {
        watch(WARM_UP_SECONDS, simulated);
        StringBuilder table = new StringBuilder();
        Formatter text = new Formatter(table, Locale.ROOT);
        text.format(
                "%n| second | steps done | behind | driver's CPU, cores | heap, MB | page, ms | page, kB | files, MB |%n"
                        + "|---|---|---|---|---|---|---|---|%n");
        long begin = System.nanoTime();
        long before = last();
        for (int row = 1; row <= ROWS; row++) {
            long cpu = PROCESS.getProcessCpuTime();
            long wall = System.nanoTime();
            watch(seconds / (double) ROWS, simulated);
            double cores = (double) (PROCESS.getProcessCpuTime() - cpu) / (System.nanoTime() - wall);
            double elapsed = (System.nanoTime() - begin) / 1e9;
            long done = last() - before;
            System.gc();
            long used = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
            long asked = System.nanoTime();
            int page = page();
            text.format(
                    "| %.0f | %d | %.0f | %.2f | %.1f | %.0f | %.0f | %.1f |%n",
                    elapsed,
                    done,
                    elapsed * stepsPerSecond - done,
                    cores,
                    used / 1e6,
                    (System.nanoTime() - asked) / 1e6,
                    page / 1e3,
                    files() / 1e6);
        }
        System.out.print(table);
    }

    private long last() {
        return record.last() == null ? 0 : record.last().step();
    }

    private void watch(double seconds, Process simulated) throws InterruptedException {
        long end = System.nanoTime() + (long) (seconds * 1e9);
        while (System.nanoTime() - end < 0) {
            Thread.sleep(WATCH_MILLIS);
            Optional<FirstCause> problem = generation.problem();
            if (problem.isPresent() || !simulated.isAlive()) {
                throw new IllegalStateException("the ranks have failed: " + problem);
            }
        }
    }

    private int page() throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create(record.url().orElseThrow()))
                .timeout(Duration.ofSeconds(30))
                .build();
        HttpClient http = HttpClient.newBuilder()
                .followRedirects(HttpClient.Redirect.NORMAL)
                .build();
        HttpResponse<byte[]> page = http.send(request, HttpResponse.BodyHandlers.ofByteArray());
        if (page.statusCode() != 200) {
            throw new IllegalStateException("the page of " + spark.appName() + " has status " + page.statusCode());
        }
        return page.body().length;
    }

    private long files() throws IOException {
        try (Stream<Path> files = Files.walk(run)) {
            return files.filter(Files::isRegularFile)
                    .mapToLong(ThousandRanksBench::size)
                    .sum();
        }
    }

    private static long size(Path file) {
        try {
            return Files.size(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
