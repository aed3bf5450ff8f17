package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.job.CommandRuns.Printed;
import dev.kindling.storage.RemoteDisk;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The commands where corpus, runs and results lie on a store that only the application's {@code spark.hadoop.*} makes
 * known: as an object store on Kubernetes, whose keys are given so.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class RemoteStorageIT {
    private static final int STEPS = 40;

    @TempDir
    private static Path folder;

    private CommandRuns runs;

    @BeforeAll
    void start() throws IOException {
        runs = new CommandRuns("60s", 2, RemoteDisk.SETTINGS);
        CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
    }

    @AfterAll
    void stop() {
        runs.close();
    }

    private static String remote(String name) {
        return "remote:" + folder.resolve(name);
    }

    private String done(String... command) {
        Printed printed = runs.run(command).done();
        return printed.out();
    }

    private void train(String out, String corpus, int steps, String... more) {
        String[] last = {"--set", "train.max_steps=" + steps};
        runs.train(
                        Path.of(out),
                        corpus,
                        Stream.of(last, more).flatMap(Stream::of).toArray(String[]::new))
                .done();
    }

    @Test
    void theCommandsWorkThereAsOnALocalDisk() throws IOException {
        train("" + folder.resolve("local"), "" + folder.resolve("corpus.txt"), STEPS);
        done("prepare", "--corpus", remote("corpus.txt"), "--tokenizer", "char", "--out", remote("shards"));
        train(remote("run"), remote("shards"), STEPS / 2);
        train(remote("run"), remote("shards"), STEPS, "--resume");
        assertThat(CommandRuns.weights(folder.resolve("run"), STEPS))
                .isEqualTo(CommandRuns.weights(folder.resolve("local"), STEPS));

        String checkpoint = remote("run");
        String data = remote("corpus.txt");
        done("evaluate", "--checkpoint", checkpoint, "--device", "cpu", "--data", data, "--out", remote("scores"));
        assertThat(folder.resolve("scores/summary.json")).content().contains("\"documents\"");
        Files.writeString(folder.resolve("prompts.txt"), "the king\na queen\n");
        String prompts = remote("prompts.txt");
        done("generate", "--checkpoint", checkpoint, "--device", "cpu", "--prompts", prompts, "--out", remote("texts"));
        assertThat(folder.resolve("texts/completions")).isNotEmptyDirectory();
    }
}
