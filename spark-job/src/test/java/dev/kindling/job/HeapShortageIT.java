package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.job.CommandRuns.Printed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Executors of 512 MiB that are given too much to do: what to set, and no second attempt. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
class HeapShortageIT {
    @TempDir
    private static Path folder;

    private CommandRuns runs;
    private Path corpus;

    @BeforeAll
    void start() throws IOException {
        runs = new CommandRuns("60s");
        corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
    }

    @AfterAll
    void stop() {
        runs.close();
    }

    private Printed train(Path out, String... settings) {
        return runs.train(out, corpus.toString(), CommandRuns.set(settings));
    }

    @Test
    void aModelThatDoesNotFitTheDevice() {
        Path out = folder.resolve("model");
        Printed printed = train(out, "model.n_embd=1024", "model.n_layer=8", "model.n_head=8");
        printed.refused(1, "rank ", "does not fit the heap of an executor", "GiB", "(spark.executor.memory) to ");
        assertThat(printed.err()).doesNotContain("attempt(s)");
        assertThat(out).doesNotExist();
    }

    /** Weights, gradients and moments are 365 MB of the heap's 512 MiB: a copy of them would not fit, on the way out or in. */
    @Test
    @Timeout(240)
    void aModelWhoseCheckpointWouldNotFitTheHeapIsSavedAndResumed() throws IOException {
        Path out = folder.resolve("copies");
        train(
                        out,
                        "model.n_embd=512",
                        "model.n_layer=7",
                        "model.n_head=8",
                        "train.global_batch=2",
                        "train.micro_batch=1",
                        "train.eval_batches=1",
                        "train.max_steps=1")
                .done();
        runs.run("train", "--out", "" + out, "--resume", "--set", "train.max_steps=2")
                .done();
        assertThat(Files.size(out.resolve("checkpoints/step-0000002/optimizer.safetensors")))
                .isGreaterThan(168 << 20);
    }

    @Test
    void aTaskThatDoesNotFitTheHeap() throws IOException {
        Path run = folder.resolve("trained");
        train(run, "train.max_steps=2", "model.block_size=128").done();
        Path lines = folder.resolve("lines.txt");
        Files.write(lines, Collections.nCopies(40, "the king"));
        Path out = folder.resolve("texts");
        runs.run(("generate --device cpu --batch 65536 --checkpoint " + run + " --prompts " + lines + " --out " + out)
                        .split(" "))
                .refused(1, "spark.executor.memory");
        assertThat(out).doesNotExist();
    }
}
