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
import java.util.stream.Stream;
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
    private static final List<String> EMBEDDED = List.of("spark.kindling.embedded=true", "spark.executor.memory=512m");
    private static final List<String> DYNAMIC = Stream.concat(
                    EMBEDDED.stream(),
                    Stream.of(
                            "spark.dynamicAllocation.enabled=true",
                            "spark.dynamicAllocation.shuffleTracking.enabled=true",
                            "spark.dynamicAllocation.minExecutors=0"))
            .toList();

    @TempDir
    private static Path folder;

    private SparkProcesses processes;
    private Path corpus;
    private Path trained;

    @BeforeAll
    void trainOnce() throws Exception {
        corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        processes = new SparkProcesses(folder);
        trained = folder.resolve("trained");
        String[] train = CommandRuns.trainArguments(
                trained, corpus.toString(), "--executors", "1", "--set", "train.max_steps=13");
        assertThat(exitCode("train", EMBEDDED, train)).as(said("train")).isZero();
    }

    @AfterAll
    void stop() {
        processes.close();
    }

    private int exitCode(String name, List<String> settings, String... command) throws Exception {
        Process driver = processes.submit(name, settings, command);
        assertThat(driver.waitFor(100, TimeUnit.SECONDS)).as(name).isTrue();
        return driver.exitValue();
    }

    private String said(String name) throws IOException {
        return Files.readString(processes.err(name));
    }

    private JsonNode evaluated(String name, List<String> settings) throws Exception {
        Path out = folder.resolve(name);
        String[] evaluate = {
            "evaluate", "--checkpoint", "" + trained, "--data", "" + corpus, "--device", "cpu", "--out", "" + out
        };
        assertThat(exitCode(name, settings, evaluate)).as(said(name)).isZero();
        return JSON.readTree(out.resolve("summary.json").toFile()).get("totals");
    }

    @Test
    void evaluateHasTheSameTotals() throws Exception {
        JsonNode totals = evaluated("dynamic", DYNAMIC);
        assertThat(totals.get("documents").asInt()).isEqualTo(1);
        assertThat(totals.get("tokens").asLong()).isEqualTo(Files.size(corpus) - 1); // nothing is before the first
        assertThat(totals).isEqualTo(evaluated("fixed", EMBEDDED));
    }

    @Test
    void generateContinuesAFileOfPrompts() throws Exception {
        Path prompts = Files.write(folder.resolve("prompts.txt"), List.of("the king", "a queen"));
        Path out = folder.resolve("completions");
        String[] generate = {
            "generate", "--checkpoint", "" + trained, "--prompts", "" + prompts, "--device", "cpu", "--max-tokens", "7"
        };
        String[] more =
                Stream.concat(Stream.of(generate), Stream.of("--out", "" + out)).toArray(String[]::new);
        assertThat(exitCode("generate", DYNAMIC, more)).as(said("generate")).isZero();
        assertThat(JSON.readTree(out.resolve("summary.json").toFile())
                        .get("texts")
                        .asInt())
                .isEqualTo(2);
    }

    @Test
    void prepareWritesShards() throws Exception {
        Path out = folder.resolve("shards");
        assertThat(exitCode(
                        "prepare",
                        DYNAMIC,
                        "prepare",
                        "--corpus",
                        "" + corpus,
                        "--tokenizer",
                        "char",
                        "--out",
                        "" + out))
                .as(said("prepare"))
                .isZero();
        assertThat(out.resolve("manifest.json")).exists();
    }

    @Test
    void trainRefusesItWithAWordedUsageError() throws Exception {
        Path run = folder.resolve("refused");
        String[] train = CommandRuns.trainArguments(run, corpus.toString());
        assertThat(exitCode("refused", DYNAMIC, train)).isEqualTo(ExitCode.USAGE);
        assertThat(said("refused"))
                .contains("kindling: spark.dynamicAllocation.enabled=true does not go with a barrier job")
                .contains("--conf spark.dynamicAllocation.enabled=false");
        assertThat(run).doesNotExist();
    }
}
