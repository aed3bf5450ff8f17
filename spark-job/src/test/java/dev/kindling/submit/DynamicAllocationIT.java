package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.job.CommandRuns;
import dev.kindling.job.command.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code spark.dynamicAllocation.enabled=true} by plain spark-submit on the embedded cluster: jobs of ordinary tasks run
 * with it, barrier jobs refuse it.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(240)
class DynamicAllocationIT {
    private static final JsonMapper JSON = new JsonMapper();
    private static final List<String> DYNAMIC = List.of(
            "spark.kindling.embedded=true",
            "spark.executor.memory=512m",
            "spark.dynamicAllocation.enabled=true",
            "spark.dynamicAllocation.shuffleTracking.enabled=true",
            "spark.dynamicAllocation.minExecutors=0");

    @TempDir
    private static Path folder;

    private SparkProcesses processes;
    private Path corpus;
    private Path trained;
    private JsonNode totals;

    /** On executors that neither come nor go. */
    @BeforeAll
    void trainAndEvaluate() throws Exception {
        corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        trained = folder.resolve("trained");
        try (CommandRuns runs = new CommandRuns("60s")) {
            runs.train(trained, corpus.toString(), CommandRuns.set("train.max_steps=13"))
                    .done();
            runs.run(evaluation("fixed")).done();
        }
        totals = totals("fixed");
        processes = new SparkProcesses(folder);
    }

    @AfterAll
    void stop() {
        if (processes != null) {
            processes.close();
        }
    }

    private int exitCode(String name, String... command) throws Exception {
        Process driver = processes.submit(name, DYNAMIC, command);
        assertThat(driver.waitFor(100, TimeUnit.SECONDS)).as(name).isTrue();
        return driver.exitValue();
    }

    private String said(String name) throws IOException {
        return Files.readString(processes.err(name));
    }

    private String[] evaluation(String out) {
        return new String[] {
            "evaluate",
            "--checkpoint",
            "" + trained,
            "--data",
            "" + corpus,
            "--device",
            "cpu",
            "--out",
            "" + folder.resolve(out)
        };
    }

    private static JsonNode totals(String out) throws IOException {
        return JSON.readTree(folder.resolve(out).resolve("summary.json").toFile())
                .get("totals");
    }

    @Test
    void evaluateHasTheSameTotals() throws Exception {
        assertThat(totals.get("documents").asInt()).isEqualTo(1);
        assertThat(totals.get("tokens").asLong()).isEqualTo(Files.size(corpus) - 1); // nothing is before the first
        assertThat(exitCode("dynamic", evaluation("dynamic")))
                .as(said("dynamic"))
                .isZero();
        assertThat(totals("dynamic")).isEqualTo(totals);
    }

    @Test
    void generateContinuesAFileOfPrompts() throws Exception {
        Path prompts = Files.write(folder.resolve("prompts.txt"), List.of("the king", "a queen"));
        Path out = folder.resolve("completions");
        String[] generate = {
            "generate",
            "--checkpoint",
            "" + trained,
            "--prompts",
            "" + prompts,
            "--device",
            "cpu",
            "--max-tokens",
            "7",
            "--out",
            "" + out
        };
        assertThat(exitCode("generate", generate)).as(said("generate")).isZero();
        assertThat(JSON.readTree(out.resolve("summary.json").toFile())
                        .get("texts")
                        .asInt())
                .isEqualTo(2);
    }

    @Test
    void prepareWritesShards() throws Exception {
        Path out = folder.resolve("shards");
        String[] prepare = {"prepare", "--corpus", "" + corpus, "--tokenizer", "char", "--out", "" + out};
        assertThat(exitCode("prepare", prepare)).as(said("prepare")).isZero();
        assertThat(out.resolve("manifest.json")).exists();
    }

    @Test
    void trainRefusesItWithAWordedUsageError() throws Exception {
        Path run = folder.resolve("refused");
        String[] train = CommandRuns.trainArguments(run, corpus.toString());
        assertThat(exitCode("refused", train)).isEqualTo(ExitCode.USAGE);
        assertThat(said("refused"))
                .contains("kindling: spark.dynamicAllocation.enabled=true does not go with a barrier job")
                .contains("--conf spark.dynamicAllocation.enabled=false");
        assertThat(run).doesNotExist();
    }
}
