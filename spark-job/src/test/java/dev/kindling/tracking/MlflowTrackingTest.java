package dev.kindling.tracking;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.report.StepMetrics;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Against an HTTP server that speaks MLflow's REST API, and against one that does not. */
@Timeout(180)
class MlflowTrackingTest {
    private static final Duration FAST = Duration.ofMillis(50);
    /** Calls are cut off soon, failures tried again soon. */
    private static final MlflowTracking.Bounds BOUNDS =
            new MlflowTracking.Bounds(Duration.ofSeconds(1), FAST, FAST, Duration.ofSeconds(30));
    /** Calls have all the time that a loaded host may take. */
    private static final MlflowTracking.Bounds PATIENT =
            new MlflowTracking.Bounds(Duration.ofSeconds(60), FAST, FAST, Duration.ofSeconds(60));

    @TempDir
    private Path folder;

    private Path model;
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    @BeforeEach
    void writeModel() throws IOException {
        model = Files.createDirectory(folder.resolve("hf"));
        Files.writeString(model.resolve("config.json"), "{}");
        Files.write(model.resolve("model.safetensors"), new byte[300_000]);
        Files.createFile(model.resolve("empty"));
    }

    private MlflowTracking begin(URI server, MlflowTracking.Bounds bounds, boolean resumed) {
        Map<String, String> params = new TreeMap<>();
        for (int i = 0; i < 150; i++) {
            params.put("section.key" + i, "" + i);
        }
        TrackedRun run = new TrackedRun(server, "plays", "run", "file:/runs/it's", params, resumed);
        return MlflowTracking.begin(
                run,
                bounds,
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8),
                new Configuration());
    }

    private org.apache.hadoop.fs.Path hadoop(Path path) {
        return new org.apache.hadoop.fs.Path(path.toString());
    }

    private static StepMetrics step(long step) {
        OptionalDouble valLoss = step % 100 == 0 ? OptionalDouble.of(2) : OptionalDouble.empty();
        return new StepMetrics(step, 1.0 / step, 1e-3, 0.5, 300, List.of(300.0), 20, valLoss, List.of());
    }

    private static void steps(MlflowTracking tracking, int from, int to) {
        for (int step = from; step <= to; step++) {
            tracking.step(step(step));
        }
    }

    private static void await(BooleanSupplier condition) throws InterruptedException {
        for (int i = 0; !condition.getAsBoolean() && i < 1200; i++) {
            Thread.sleep(100);
        }
        assertThat(condition.getAsBoolean()).isTrue();
    }

    @Test
    void aRunWithItsParamsMetricsAndModel() throws Exception {
        try (MlflowServer server = new MlflowServer()) {
            MlflowTracking tracking = begin(server.address(), PATIENT, false);
            steps(tracking, 1, 1000);
            tracking.finished(hadoop(model));
            assertThat(server.complaints()).isEmpty();
            assertThat(err.toString(StandardCharsets.UTF_8)).isEmpty();
            assertThat(out.toString(StandardCharsets.UTF_8))
                    .isEqualToIgnoringNewLines("MLflow: " + server.address() + "/#/experiments/7/runs/run0");
            assertThat(server.experiment()).isEqualTo("plays");
            MlflowServer.Run run = server.runs().get("run0");
            assertThat(run.name).isEqualTo("run");
            assertThat(run.status).isEqualTo("FINISHED");
            assertThat(run.params).hasSize(150).containsEntry("section.key42", "42");
            assertThat(run.metrics)
                    .hasSize(5 * 1000 + 10)
                    .doesNotHaveDuplicates()
                    .contains("loss 4 0.25", "val_loss 100 2.0", "lr 1000 0.001", "step_millis 1 20.0");
            assertThat(server.artifacts())
                    .containsOnlyKeys(
                            "7/run0/artifacts/hf/config.json",
                            "7/run0/artifacts/hf/empty",
                            "7/run0/artifacts/hf/model.safetensors");
            assertThat(server.artifacts().get("7/run0/artifacts/hf/model.safetensors"))
                    .hasSize(300_000);
        }
    }

    @Test
    void aRunThatFailedIsSaidToHaveFailedAndGoesOnWhenItIsResumed() throws Exception {
        try (MlflowServer server = new MlflowServer()) {
            try (MlflowTracking tracking = begin(server.address(), PATIENT, false)) {
                steps(tracking, 1, 10);
            }
            assertThat(server.runs().get("run0").status).isEqualTo("FAILED");
            MlflowTracking resumed = begin(server.address(), PATIENT, true);
            steps(resumed, 11, 20);
            resumed.finished(hadoop(model));
            assertThat(server.runs()).containsOnlyKeys("run0");
            assertThat(server.runs().get("run0").status).isEqualTo("FINISHED");
            assertThat(server.runs().get("run0").metrics).hasSize(100);
            assertThat(server.complaints()).isEmpty();
        }
    }

    @Test
    void artifactsOfAFileSystemAreWrittenToIt() throws Exception {
        Path store = folder.resolve("store");
        try (MlflowServer server = new MlflowServer(store.toUri() + "/")) {
            begin(server.address(), PATIENT, false).finished(hadoop(model));
            assertThat(server.artifacts()).isEmpty();
            Path stored = store.resolve("run0/artifacts/hf");
            assertThat(stored.resolve("model.safetensors")).hasSameBinaryContentAs(model.resolve("model.safetensors"));
            assertThat(stored.resolve("config.json")).hasContent("{}");
        }
    }

    @Test
    void aServerThatIsDownIsWarnedOfOnceAndWhatItLacksIsSaid() throws IOException {
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        MlflowTracking tracking = begin(URI.create("http://127.0.0.1:" + port), BOUNDS, false);
        steps(tracking, 1, 100);
        tracking.finished(hadoop(model));
        assertThat(err.toString(StandardCharsets.UTF_8).lines())
                .hasSize(2)
                .allMatch(line -> line.startsWith("kindling: MLflow at http://127.0.0.1:" + port + " "))
                .anyMatch(line -> line.contains("has a problem (") && line.contains("the run goes on"))
                .anyMatch(line -> line.contains("lacks the run, 501 metric values (of steps 1 to 100), the artifact hf,"
                                + " the run's end (")
                        && line.contains("refused"));
        assertThat(out.size()).isZero();
    }

    @Test
    void metricsWaitForAServerThatComesBack() throws Exception {
        try (MlflowServer server = new MlflowServer()) {
            server.become(MlflowServer.Mood.ERROR_500);
            MlflowTracking tracking = begin(server.address(), PATIENT, false);
            steps(tracking, 1, 100);
            await(() -> err.toString(StandardCharsets.UTF_8).contains("500"));
            server.become(MlflowServer.Mood.WELL);
            await(() -> server.runs().containsKey("run0"));
            tracking.finished(hadoop(model));
            assertThat(server.runs().get("run0").metrics).hasSize(501).doesNotHaveDuplicates();
            assertThat(server.runs().get("run0").status).isEqualTo("FINISHED");
            assertThat(err.toString(StandardCharsets.UTF_8).lines()).hasSize(1);
        }
    }

    @Test
    void aServerThatDoesNotAnswerIsCutOff() throws Exception {
        try (MlflowServer server = new MlflowServer()) {
            MlflowTracking tracking = begin(server.address(), BOUNDS, false);
            await(() -> server.runs().containsKey("run0"));
            server.become(MlflowServer.Mood.SILENT);
            steps(tracking, 1, 3);
            tracking.finished(hadoop(model));
            assertThat(err.toString(StandardCharsets.UTF_8))
                    .contains("did not answer within 1 s")
                    .contains("metric values (of steps 1 to 3), the artifact hf, the run's end");
        }
    }

    /** Loads the package's classes where MLflow's client is not. */
    @Test
    void withoutTheClientItIsSaidHowToGetIt() throws Exception {
        URL[] path = Arrays.stream(System.getProperty("java.class.path").split(java.io.File.pathSeparator))
                .filter(element -> !element.contains("mlflow-client"))
                .map(element -> {
                    try {
                        return Path.of(element).toUri().toURL();
                    } catch (IOException e) {
                        throw new IllegalStateException(e);
                    }
                })
                .toArray(URL[]::new);
        try (URLClassLoader alone = new URLClassLoader(path, ClassLoader.getPlatformClassLoader())) {
            Class<?> tracking = alone.loadClass(MlflowTracking.class.getName());
            assertThatThrownBy(() -> tracking.getMethod("require").invoke(null))
                    .isInstanceOf(InvocationTargetException.class)
                    .cause()
                    .hasMessageContaining("--packages org.mlflow:mlflow-client:2.17.2");
        }
        MlflowTracking.require();
    }

    @Test
    void noMoreIsHeldThanMemoryIsGivenTo() {
        PendingMetrics pending = new PendingMetrics(12);
        for (int step = 1; step <= 10; step++) {
            pending.add(MetricValue.of(step(step), 1));
        }
        assertThat(pending.missing()).isEqualTo("50 metric values (of steps 8 to 10)");
        assertThat(pending.take()).hasSize(12);
        assertThat(pending.missing()).isEqualTo("38 metric values");
    }

    @Test
    void credentialsAreTheEnvironments() {
        assertThat(ArtifactUpload.authorization(Map.of())).isEmpty();
        assertThat(ArtifactUpload.authorization(Map.of("MLFLOW_TRACKING_TOKEN", "t")))
                .contains("Bearer t");
        assertThat(ArtifactUpload.authorization(
                        Map.of("MLFLOW_TRACKING_USERNAME", "user", "MLFLOW_TRACKING_PASSWORD", "pass")))
                .contains("Basic dXNlcjpwYXNz");
    }
}
