package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

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

/** {@code train.reduction: tree}, {@code train.zero: 1} and {@code cluster.compression: bf16} on one to four executor processes. */
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
        runs = new CommandRuns("60s", 4);
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
        runs.train(out, corpus.toString(), more.toArray(String[]::new)).done();
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
        runs.run(
                        "train",
                        "--out",
                        sliced.toString(),
                        "--resume",
                        "--executors",
                        "1",
                        "--set",
                        "train.zero=0",
                        "--set",
                        "train.max_steps=" + STEPS)
                .done();
        assertSame(sliced, one);
    }

    @Test
    void aSlicedOptimizerGivesTheBitsOfAWholeOne() throws IOException {
        Path whole = trained("whole", 3);
        assertSame(trained("sliced", 3, "train.zero=1"), whole);
        assertSame(trained("sliced star", 3, "train.zero=1", "cluster.allreduce=driver"), whole);
        assertThat(optimizer(folder.resolve("sliced"))).isEqualTo(optimizer(whole));
    }

    /** Residuals are settled at every checkpoint, so that no checkpoint holds them and none is missed. */
    @Test
    void bf16OnTheWireGivesTheSameBitsByEveryTransportAndAfterAStop() throws IOException {
        String[] compressed = {"cluster.compression=bf16", "checkpoint.interval=4"};
        Path ring = trained("bf16", 3, compressed);
        assertSame(trained("bf16 star", 3, with(compressed, "cluster.allreduce=driver")), ring);
        assertSame(trained("bf16 sliced", 3, with(compressed, "train.zero=1")), ring);
        Path stopped = trained("bf16 stopped", 3, with(compressed, "train.max_steps=8"));
        runs.run("train", "--out", "" + stopped, "--resume", "--set", "train.max_steps=" + STEPS)
                .done();
        assertSame(stopped, ring);
        Path whole = trained("fp32", 3, "checkpoint.interval=4");
        assertThat(CommandRuns.weights(ring, STEPS)).isNotEqualTo(CommandRuns.weights(whole, STEPS));
        List<Double> losses = CommandRuns.losses(ring);
        List<Double> expected = CommandRuns.losses(whole);
        for (int step = 0; step < STEPS; step++) {
            assertThat(losses.get(step)).isCloseTo(expected.get(step), within(2e-3));
        }
    }

    private static String[] with(String[] settings, String one) {
        return Stream.concat(Stream.of(settings), Stream.of(one)).toArray(String[]::new);
    }

    private static byte[] optimizer(Path run) throws IOException {
        return Files.readAllBytes(run.resolve("checkpoints/step-%07d/optimizer.safetensors".formatted(STEPS)));
    }
}
