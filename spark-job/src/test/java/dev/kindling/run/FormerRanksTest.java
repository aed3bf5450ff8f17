package dev.kindling.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.checkpoint.RescuedCheckpoints;
import dev.kindling.storage.LateDisk;
import dev.kindling.train.checkpoint.TestCheckpoints;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class FormerRanksTest {
    private static final Duration LONG = Duration.ofDays(1);

    @TempDir
    private Path folder;

    private RunDirectory run;
    private CheckpointStore store;

    /** What a driver leaves that was killed after step 12. */
    @BeforeEach
    void leaveRun() throws IOException {
        run = RunDirectory.at(folder.toString(), new Configuration(false));
        store = run.checkpoints(1);
        Files.writeString(folder.resolve(".owner"), "{}");
        Files.writeString(folder.resolve("metrics.jsonl"), "{\"step\":11,\"loss\":3}\n{\"step\":12,\"loss\":2}\n");
    }

    private void awaitRanks() throws IOException {
        FormerRanks.await(run, store, LONG);
    }

    @ParameterizedTest
    @ValueSource(strings = {"file", "late"})
    void aRankThatIsSlowToNoticeIsWaitedForByWhateverClock(String scheme) throws Exception {
        run = RunDirectory.at(scheme + ":" + folder, LateDisk.settings());
        store = run.checkpoints(1);
        store.save(TestCheckpoints.snapshot(10));
        requireThatASlowRankIsWaitedFor();
    }

    /** HDFS dates a file that is being written by its beginning. */
    @Test
    void theNextAttemptOfASubmissionWaitsWhateverTheRecordsDate() throws Exception {
        run = RunDirectory.at("late:" + folder, LateDisk.settings());
        store = run.checkpoints(1);
        store.save(TestCheckpoints.snapshot(10));
        Files.writeString(folder.resolve(".owner"), "{\"submission\":\"nightly\"}");
        Files.setLastModifiedTime(folder.resolve("metrics.jsonl"), FileTime.fromMillis(0));
        System.setProperty(Submission.NAMED, "nightly");
        try {
            requireThatASlowRankIsWaitedFor();
        } finally {
            System.clearProperty(Submission.NAMED);
        }
    }

    private void requireThatASlowRankIsWaitedFor() throws Exception {
        RescuedCheckpoints.Writer rank = new RescuedCheckpoints.Writer("this training", 0, 1);
        CompletableFuture<Void> slow = CompletableFuture.runAsync(
                () -> {
                    try {
                        store.rescued().write(TestCheckpoints.snapshot(12), Map.of(), rank, () -> true);
                    } catch (IOException e) {
                        throw new IllegalStateException(e);
                    }
                },
                CompletableFuture.delayedExecutor(500, TimeUnit.MILLISECONDS));
        awaitRanks();
        assertThat(store.rescued().newestStep()).isEqualTo(12);
        slow.get();
    }

    /** Its step would keep the others from saving theirs when their driver is lost. */
    @Test
    void whatARankHasLeftThatWasKilledWhileItSavedIsSwept() throws IOException {
        store.save(TestCheckpoints.snapshot(10));
        RescuedCheckpoints.Writer whole = new RescuedCheckpoints.Writer("this training", 0, 2);
        store.rescued().write(TestCheckpoints.snapshot(12), Map.of(), whole, () -> true);
        Path checkpoints = folder.resolve("checkpoints");
        Files.delete(checkpoints.resolve(".rescued-step-0000012-rank-0/state.json"));
        store.rescued().announce(1, 12);
        assertThat(run.newest(1).verified()).isEqualTo(10);
        assertThat(store.rescued().announced(11)).isEmpty();
        assertThat(checkpoints).isDirectoryNotContaining("glob:**/.resc*");
    }

    @Test
    void whatIsSavedIsNotWaitedFor() throws IOException {
        store.save(TestCheckpoints.snapshot(12));
        awaitRanks();
        assertThat(store.newestStep()).isEqualTo(12);
    }

    @Test
    void norIsWhatWasLostLongAgoOrEndedByItself() throws IOException {
        Path metrics = folder.resolve("metrics.jsonl");
        Files.setLastModifiedTime(metrics, FileTime.from(Instant.now().minus(LONG)));
        awaitRanks();
        Files.setLastModifiedTime(metrics, FileTime.from(Instant.now()));
        Files.delete(folder.resolve(".owner"));
        awaitRanks();
        assertThat(store.rescued().newestStep()).isZero();
    }
}
