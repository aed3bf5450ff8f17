package dev.kindling.job;

import static dev.kindling.job.CommandRuns.set;
import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.config.ConfigOverrides;
import dev.kindling.job.CommandRuns.Printed;
import dev.kindling.run.OwnedRun;
import dev.kindling.run.RunDirectory;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What users get wrong: one line that says what, why and what to do, and nothing half-written. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
class BadInputIT {
    @TempDir
    private static Path folder;

    private CommandRuns runs;
    private Path corpus;
    private Path trained;

    @BeforeAll
    void trainOnce() throws IOException {
        runs = new CommandRuns("10s");
        corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        trained = folder.resolve("trained");
        runs.train(trained, corpus.toString(), set("train.max_steps=4", "checkpoint.interval=2"))
                .done();
    }

    @AfterAll
    void stop() {
        runs.close();
    }

    /** Training with these arguments fails so, and leaves no run directory. */
    private void assertRefused(int code, String data, String[] more, String... said) {
        Path out = folder.resolve("refused");
        runs.train(out, data, more).refused(code, said);
        assertThat(out).doesNotExist();
    }

    private static void flipLastByte(Path file) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length - 1] ^= 1;
        Files.write(file, bytes);
    }

    private Printed resume(Path run) {
        return runs.run("train", "--out", run.toString(), "--resume", "--set", "train.max_steps=6");
    }

    @Test
    void configurations() {
        assertRefused(2, corpus.toString(), set("train.max_step=3"), "train.max_step", "train.max_steps");
        assertRefused(2, corpus.toString(), set("model.n_head=5"), "n_embd 32", "n_head 5", "change model.n_head");
        assertRefused(2, corpus.toString(), set("train.lr=0"), "train.lr is 0");
        assertRefused(
                2,
                corpus.toString(),
                set("train.reduction=tree", "cluster.compression=bf16"),
                "train.reduction is tree",
                "cluster.compression is bf16",
                "set one of them");
        assertRefused(
                2,
                corpus.toString(),
                new String[] {"--executors", "5"},
                "5 executors would share 4 micro-batch(es)",
                "--executors to 4");
    }

    @Test
    void attentionThatCannotRun() {
        assertRefused(
                1,
                corpus.toString(),
                new String[] {"--attention", "efficient"},
                "EFFICIENT runs on CUDA only",
                "allow another backend");
    }

    @Test
    void ncclWithoutGpus() {
        assertRefused(2, corpus.toString(), set("cluster.allreduce=nccl"), "cluster.device is cpu", "set one of them");
        Path out = folder.resolve("without");
        String[] arguments = CommandRuns.trainArguments(out, corpus.toString(), "--allreduce", "nccl");
        arguments[Arrays.asList(arguments).indexOf("--device") + 1] = "auto";
        runs.run(arguments)
                .refused(
                        1,
                        "cluster.allreduce is nccl, but rank 0 on",
                        "it computes on the CPU",
                        "set it to auto or ring");
        assertThat(out).doesNotExist();
    }

    @Test
    void corpora() throws IOException {
        Path missing = folder.resolve("nowhere.txt");
        assertRefused(2, missing.toString(), set("train.seed=1"), missing + " does not exist", "set data.corpus");
        Path empty = Files.writeString(folder.resolve("empty.txt"), "");
        assertRefused(1, empty.toString(), set("train.seed=1"), "empty.txt");
        Path small = Files.writeString(folder.resolve("small.txt"), "To be, or not.");
        assertRefused(1, small.toString(), set("train.seed=1"), "block");
        Path binary = Files.write(folder.resolve("binary.txt"), new byte[] {'a', (byte) 0xff, (byte) 0xfe, 0});
        assertRefused(1, binary.toString(), set("train.seed=1"), "kindling: binary.txt", "UTF-8");
    }

    @Test
    void runDirectories() throws IOException {
        long before =
                Files.getLastModifiedTime(trained.resolve("metrics.jsonl")).toMillis();
        runs.train(trained, corpus.toString()).refused(2, "exists already", "--resume");
        assertThat(Files.getLastModifiedTime(trained.resolve("metrics.jsonl")).toMillis())
                .isEqualTo(before);
        RunDirectory run = RunDirectory.at(trained.toString(), Storage.settings());
        try (OwnedRun owned = run.own(run.config(ConfigOverrides.NONE), true)) {
            resume(trained)
                    .refused(
                            2,
                            "another training is writing to",
                            "process " + ProcessHandle.current().pid());
            owned.keep();
        }
        runs.train(corpus.resolve("run"), "" + corpus).refused(2, "cannot write to", "choose another --out");
        Path none = folder.resolve("none");
        resume(none).refused(2, "there is no run at", "to resume");
        assertThat(none).doesNotExist();
    }

    @Test
    void fewerSlotsThanRanks() {
        assertRefused(
                1, corpus.toString(), new String[] {"--executors", "3"}, "offers 2 of the 3 slots", "--executors to 2");
    }

    @Test
    void damagedCheckpoints() throws IOException {
        Path run = CommandRuns.copy(trained, folder.resolve("damaged"));
        Path last = run.resolve("checkpoints/step-0000004");
        flipLastByte(last.resolve("model.safetensors"));
        generate(last, "ROMEO:").refused(1, "model.safetensors is damaged", "use another checkpoint");
        Files.write(last.resolve("model.safetensors"), new byte[] {1, 2, 3});
        generate(last, "ROMEO:").refused(1, "it has 3 bytes", "use another checkpoint");
        generate(folder.resolve("none"), "ROMEO:").refused(2, "does not exist", "give a run directory");
        assertThat(resume(run).code()).isZero();
    }

    @Test
    void damagedShards() throws IOException {
        Path run = CommandRuns.copy(trained, folder.resolve("altered"));
        Path shard;
        try (Stream<Path> files = Files.list(run.resolve("data"))) {
            shard = files.filter(file -> file.getFileName().toString().startsWith("train-00000-"))
                    .findFirst()
                    .orElseThrow();
        }
        byte[] bytes = Files.readAllBytes(shard);
        bytes[100] ^= 1;
        Files.write(shard, bytes);
        resume(run).refused(1, shard.getFileName() + " was altered", "block 0 (bytes 64 to ", "run prepare again");
        assertThat(run.resolve("checkpoints/step-0000004")).exists();
        assertThat(run.resolve("config.yaml")).content().contains("max_steps: 4");
    }

    @Test
    void aPromptOutsideTheVocabulary() {
        generate(trained, "ROMEO: \u00e9t\u00e9").refused(1, "\u00e9", "vocabulary");
    }

    private Printed generate(Path checkpoint, String prompt) {
        return runs.run("generate", "--checkpoint", checkpoint.toString(), "--prompt", prompt, "--max-tokens", "5");
    }
}
