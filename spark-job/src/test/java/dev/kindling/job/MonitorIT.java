package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.job.CommandRuns.Printed;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A run with a killed executor, seen in the live Spark UI, in its metrics, and in a history server. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
class MonitorIT {
    private static final HttpClient HTTP =
            HttpClient.newBuilder().followRedirects(HttpClient.Redirect.NORMAL).build();

    @TempDir
    private static Path folder;

    private Printed printed;
    /** Under way when it is looked at, on a busy host, too. */
    private static final String[] LONG_RUN = {"--set", "train.global_batch=64", "--set", "train.max_steps=320"};

    private String livePage;
    private String metrics;
    private String historyPage;

    @BeforeAll
    void runAndLook() throws Exception {
        Path events = Files.createDirectory(folder.resolve("events"));
        Path corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        Map<String, String> settings = Map.of(
                "spark.ui.enabled", "true",
                "spark.ui.port", "0",
                "spark.metrics.namespace", "kindling",
                "spark.eventLog.enabled", "true",
                "spark.eventLog.dir", events.toUri().toString());
        String application;
        try (CommandRuns runs = new CommandRuns("60s", 2, settings)) {
            String ui = runs.spark().uiWebUrl().get();
            CompletableFuture<String> scraped = CompletableFuture.supplyAsync(() -> killAndScrape(ui));
            printed = runs.train(folder.resolve("run"), corpus.toString(), LONG_RUN);
            metrics = scraped.get(10, TimeUnit.SECONDS);
            assertThat(printed.out()).contains("watch it at " + ui + "/training/");
            runs.spark().listenerBus().waitUntilEmpty();
            livePage = get(ui + "/training/");
            application = runs.spark().applicationId();
        }
        historyPage = fromHistoryServer(events, application);
    }

    /** Kills an executor at step 40, and asks for the metrics at step 100. */
    private static String killAndScrape(String ui) {
        CommandRuns.awaitCheckpoint(folder.resolve("run"), 40);
        CommandRuns.killAnExecutor();
        CommandRuns.awaitCheckpoint(folder.resolve("run"), 100);
        return get(ui + "/metrics/prometheus");
    }

    private static String get(String url) {
        HttpResponse<String> response;
        try {
            response = HTTP.send(HttpRequest.newBuilder(URI.create(url)).build(), HttpResponse.BodyHandlers.ofString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
        assertThat(response.statusCode()).as(url + response.body()).isEqualTo(200);
        return response.body();
    }

    /** The page as a history server of its own process shows it. */
    private static String fromHistoryServer(Path events, String application) throws Exception {
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        List<String> command = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx512m"));
        command.addAll(List.of(System.getProperty("spark.driver.jvm").split(" ")));
        command.addAll(List.of(
                "-Dspark.history.fs.logDirectory=" + events.toUri(),
                "-Dspark.history.ui.port=" + port,
                "-cp",
                System.getProperty("java.class.path"),
                "org.apache.spark.deploy.history.HistoryServer"));
        Process server = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("history.log").toFile())
                .start();
        try {
            String url = "http://127.0.0.1:" + port + "/history/" + application + "/training/";
            long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            String page = "";
            while (!page.contains("Generations")) { // its front page, until it has read the log
                assertThat(System.nanoTime())
                        .as(() -> logOf(folder.resolve("history.log")))
                        .isLessThan(end);
                Thread.sleep(200);
                try {
                    page = get(url);
                } catch (UncheckedIOException e) {
                    // It does not listen yet.
                }
            }
            return page;
        } finally {
            server.destroyForcibly().waitFor();
        }
    }

    private static String logOf(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            return e.toString();
        }
    }

    @Test
    void theRunEndsWell() {
        printed.done();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void thePageTellsTheRun(boolean live) {
        assertThat(live ? livePage : historyPage)
                .contains("320 of 320", "finished at", "1 layers, 2 heads, 32 channels")
                .contains(
                        "aria-label=\"Loss\"",
                        "validation at 80: ",
                        ">rank 1</text>",
                        ">compute</text>",
                        ">wait</text>",
                        "aria-label=\"Where time goes\"")
                .contains("its executor is gone", "<td>2</td><td>1</td>", "checkpoints/step-0000320")
                .doesNotContain("NaN");
    }

    @Test
    void prometheusCanScrapeTheDriver() {
        assertThat(metrics.lines().filter(line -> line.contains("_training_")))
                .contains(
                        "metrics_kindling_driver_training_generation_Value{type=\"gauges\"} 2",
                        "metrics_kindling_driver_training_world_size_Value{type=\"gauges\"} 2",
                        "metrics_kindling_driver_training_restarts_Value{type=\"gauges\"} 1");
        for (String name : List.of(
                "step",
                "checkpoint_step",
                "loss",
                "val_loss",
                "lr",
                "grad_norm",
                "tokens_per_second",
                "rank0_tokens_per_second",
                "rank1_tokens_per_second")) {
            assertThat(metrics).containsPattern("training_" + name + "_Value\\{type=\"gauges\"\\} [0-9]+");
        }
    }
}
