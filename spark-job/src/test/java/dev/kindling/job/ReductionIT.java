package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.job.CommandRuns.Printed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code train.reduction: tree} and {@code train.zero: 1} on one to four executor processes. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class ReductionIT {
    private static final int STEPS = 12;

    @TempDir
    private static Path folder;

    private CommandRuns runs;
    private Path corpus;

    @BeforeAll
    void start() throws IOException {
        runs = new CommandRuns("30s", 4);
        corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
    }

    @AfterAll
    void stop() {
        runs.close();
    }

    /** Eight micro-batches a step. */
    private Path trained(String name, int executors, String... settings) {
        List<String> more = new ArrayList<>(List.of("--executors", String.valueOf(executors)));
        Stream.concat(
                        Stream.of(
                                "train.micro_batch=1",
                                "train.max_steps=" + STEPS,
                                "train.eval_interval=6",
                                "model.dropout=0.1"),
                        Stream.of(settings))
                .forEach(setting -> more.addAll(List.of("--set", setting)));
        Path out = folder.resolve(name);
        Printed printed = runs.train(out, corpus.toString(), more.toArray(String[]::new));
        assertThat(printed.code()).as(printed.err()).isZero();
        return out;
    }

    private static void assertSame(Path run, Path expected) throws IOException {
        assertThat(CommandRuns.weights(run, STEPS)).isEqualTo(CommandRuns.weights(expected, STEPS));
        assertThat(CommandRuns.learning(run)).isEqualTo(CommandRuns.learning(expected));
    }

    @Test
    void aTreeGivesTheSameBitsOnAnyNumberOfExecutors() throws IOException {
        Path one = trained("one", 1, "train.reduction=tree");
        assertSame(trained("two", 2, "train.reduction=tree"), one);
        assertSame(trained("three", 3, "train.reduction=tree"), one);
        assertSame(trained("four", 4, "train.reduction=tree"), one);
        assertSame(trained("star", 3, "train.reduction=tree", "cluster.allreduce=driver"), one);
        assertThat(CommandRuns.weights(trained("by rank", 2), STEPS))
                .as("the order of additions does show")
                .isNotEqualTo(CommandRuns.weights(one, STEPS));
        Path sliced = trained("sliced tree", 3, "train.reduction=tree", "train.zero=1", "train.max_steps=6");
        Printed resumed = runs.run(
                "train",
                "--out",
                sliced.toString(),
                "--resume",
                "--executors",
                "1",
                "--set",
                "train.zero=0",
                "--set",
                "train.max_steps=" + STEPS);
        assertThat(resumed.code()).as(resumed.err()).isZero();
        assertSame(sliced, one);
    }

    @Test
    void aSlicedOptimizerGivesTheBitsOfAWholeOne() throws IOException {
        Path whole = trained("whole", 3);
        assertSame(trained("sliced", 3, "train.zero=1"), whole);
        assertSame(trained("sliced star", 3, "train.zero=1", "cluster.allreduce=driver"), whole);
        assertThat(optimizer(folder.resolve("sliced"))).isEqualTo(optimizer(whole));
    }

    private static byte[] optimizer(Path run) throws IOException {
        return Files.readAllBytes(run.resolve("checkpoints/step-%07d/optimizer.safetensors".formatted(STEPS)));
    }
}
