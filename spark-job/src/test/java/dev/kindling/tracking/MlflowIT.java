package dev.kindling.tracking;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.job.CommandRuns;
import dev.kindling.job.CommandRuns.Printed;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Trainings on two executor processes that an MLflow server is told of; MlflowTrackingTest has the server's moods. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(240)
class MlflowIT {
    @TempDir
    private static Path folder;

    private CommandRuns runs;
    private String corpus;

    @BeforeAll
    void begin() throws IOException {
        runs = new CommandRuns("30s");
        corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt")).toString();
    }

    @AfterAll
    void stop() {
        runs.close();
    }

    private Printed train(Path out, String server) {
        return runs.train(
                out, corpus, "--set", "train.max_steps=40", "--mlflow", server, "--mlflow-experiment", "plays");
    }

    @Test
    void aServerGetsTheRunAndOneThatIsDownDoesNotHurtIt() throws IOException {
        Path tracked = folder.resolve("tracked");
        try (MlflowServer server = new MlflowServer()) {
            Printed printed = train(tracked, server.address().toString()).done();
            assertThat(printed.out()).contains("MLflow: " + server.address() + "/#/experiments/7/runs/run0");
            assertThat(server.complaints()).isEmpty();
            MlflowServer.Run run = server.runs().get("run0");
            assertThat(run.name).isEqualTo("tracked");
            assertThat(run.status).isEqualTo("FINISHED");
            assertThat(run.params)
                    .containsEntry("model.n_embd", "32")
                    .containsEntry("data.corpus", "file:" + corpus)
                    .containsEntry("train.max_steps", "40");
            assertThat(run.metrics.stream().filter(metric -> metric.startsWith("loss ")))
                    .hasSize(40);
            assertThat(run.metrics).anyMatch(metric -> metric.startsWith("val_loss 40 "));
            Set<String> files = new TreeSet<>();
            try (Stream<Path> exported = Files.list(tracked.resolve("hf"))) {
                exported.forEach(file -> files.add("7/run0/artifacts/hf/" + file.getFileName()));
            }
            assertThat(files).contains("7/run0/artifacts/hf/model.safetensors");
            assertThat(server.artifacts()).containsOnlyKeys(files);
            assertThat(server.artifacts().get("7/run0/artifacts/hf/model.safetensors"))
                    .isEqualTo(Files.readAllBytes(tracked.resolve("hf/model.safetensors")));
        }
        Path alone = folder.resolve("alone");
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        ByteArrayOutputStream warned = new ByteArrayOutputStream();
        PrintStream console = System.err;
        System.setErr(new PrintStream(warned, true, StandardCharsets.UTF_8));
        Printed printed;
        try {
            printed = train(alone, "http://127.0.0.1:" + port);
        } finally {
            System.setErr(console);
        }
        printed.done();
        assertThat(warned.toString(StandardCharsets.UTF_8))
                .contains("kindling: MLflow at http://127.0.0.1:" + port + " lacks the run,", "the artifact hf");
        assertThat(CommandRuns.weights(alone, 40)).isEqualTo(CommandRuns.weights(tracked, 40));
        assertThat(alone.resolve("hf/config.json")).exists();
    }

    @Test
    void wrongAddressesAreRefused() {
        Path out = folder.resolve("refused");
        for (String address : new String[] {"databricks", "file:/mlruns", "http:///no-host", "a b"}) {
            Printed printed = train(out, address);
            assertThat(printed.code()).isEqualTo(2);
            assertThat(printed.err())
                    .startsWith("kindling: --mlflow is " + address)
                    .hasLineCount(1);
        }
        Printed printed = runs.train(out, corpus, "--mlflow-experiment", "plays");
        assertThat(printed.code()).isEqualTo(2);
        assertThat(printed.err()).contains("give its address with --mlflow URI");
        assertThat(out).doesNotExist();
    }
}
