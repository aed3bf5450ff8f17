package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.job.CommandRuns;
import dev.kindling.run.RunDirectory;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A driver with an embedded cluster that is told to end, as submit.sh does at Ctrl-C. */
@Timeout(240)
class SignalIT {
    private static final int SIGTERM = 143;

    @TempDir
    private Path folder;

    @Test
    void theEndOfATrainingIsNotToldAsManyFailures() throws Exception {
        Path corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        Path run = folder.resolve("run");
        try (SparkProcesses processes = new SparkProcesses(folder)) {
            Process driver = processes.submit(
                    "driver",
                    List.of("spark.kindling.embedded=true", "spark.executor.memory=512m"),
                    CommandRuns.trainArguments(run, corpus.toString(), CommandRuns.set("train.max_steps=1000000")));
            CommandRuns.awaitStep(run, 3);
            driver.destroy();
            assertThat(driver.waitFor(60, TimeUnit.SECONDS)).isTrue();
            assertThat(driver.exitValue()).isEqualTo(SIGTERM);
            assertThat(processes.err("driver"))
                    .content()
                    .doesNotContain("Failed to launch executor", "Application has been killed", "Lost executor")
                    .doesNotContainPattern("kindling: (?!ended by a signal)");
            assertThat(run.resolve(".owner")).doesNotExist();
        }
    }

    /** Each of them holds half of the moments. */
    @Test
    void noFinishedStepOfTwoExecutorsWithZeroIsLost() throws Exception {
        Path corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        Path run = folder.resolve("run");
        try (SparkProcesses processes = new SparkProcesses(folder)) {
            Process driver = processes.submit(
                    "driver",
                    List.of("spark.kindling.embedded=true", "spark.executor.memory=512m"),
                    CommandRuns.trainArguments(
                            run,
                            corpus.toString(),
                            "--executors",
                            "2",
                            "--set",
                            "train.zero=1",
                            "--set",
                            "train.max_steps=1000000",
                            "--set",
                            "checkpoint.interval=1000000",
                            "--set",
                            "train.eval_interval=1000000"));
            CommandRuns.awaitStep(run, 30);
            driver.destroy();
            assertThat(driver.waitFor(60, TimeUnit.SECONDS)).isTrue();
            int told = CommandRuns.learning(run).size();
            CheckpointStore store =
                    RunDirectory.at(run.toString(), new Configuration(false)).checkpoints(1);
            assertThat(store.latestValidOrRescued()
                            .found()
                            .map(CheckpointState::step)
                            .orElse(0L))
                    .isGreaterThanOrEqualTo(told);
        }
    }
}
