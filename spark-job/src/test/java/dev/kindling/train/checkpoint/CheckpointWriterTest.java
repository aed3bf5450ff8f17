package dev.kindling.train.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.checkpoint.CheckpointException;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.checkpoint.FullDisk;
import dev.kindling.checkpoint.LoadedTensors;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class CheckpointWriterTest {
    private static final Configuration HADOOP = new Configuration(false);
    private static final Duration LONG = Duration.ofSeconds(20);
    private static final Duration SHORT = Duration.ofMillis(200);

    @TempDir
    private Path run;

    private CheckpointStore store() throws IOException {
        return TestCheckpoints.store(run);
    }

    private static void save(CheckpointWriter writer, long step) throws IOException {
        writer.begin(step, () -> writer.write(TestCheckpoints.snapshot(step)));
    }

    private List<String> files() throws IOException {
        try (Stream<Path> files = Files.list(run.resolve("checkpoints"))) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    private static void wait(CountDownLatch latch) throws IOException {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IOException("the write was broken off", e);
        }
    }

    @Test
    void trainingGoesOnWhileAnEarlierStepIsSaved() throws IOException {
        CountDownLatch slow = new CountDownLatch(1);
        CheckpointStore store = store();
        try (CheckpointWriter writer = new CheckpointWriter(
                store,
                (step, staged) -> {
                    wait(slow);
                    store.commit(staged, step);
                },
                () -> {},
                LONG)) {
            save(writer, 10);
            writer.check();
            assertThat(store.list()).isEmpty();
            slow.countDown();
            save(writer, 20);
            assertThat(files()).contains("step-0000010");
            writer.finish();
        }
        assertThat(files()).containsExactly("step-0000010", "step-0000020");
        assertThat(LoadedTensors.of(store, store.committed(20)).values.get("wte.weight"))
                .containsExactly(20, 2, 3);
    }

    @Test
    void aSaveThatHangsIsNamedWithinItsBound() throws IOException {
        CountDownLatch never = new CountDownLatch(1);
        try (CheckpointWriter writer = new CheckpointWriter(store(), (step, staged) -> wait(never), () -> {}, SHORT)) {
            save(writer, 10);
            assertThatThrownBy(() -> save(writer, 20))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("the checkpoint of step 10 was not written and committed within")
                    .hasMessageContaining("raise checkpoint.interval");
        }
    }

    /** The peers of rank 0 wait for it in a collective meanwhile, and would name it, not the store. */
    @Test
    void theWaitBetweenTwoSavesHasTheBoundOfThePeersWhoWaitForIt() {
        Limits standard = Limits.standard();
        assertThat(standard.checkpoint())
                .isLessThanOrEqualTo(standard.allReduce())
                .isLessThanOrEqualTo(standard.request());
        SparkConf conf = new SparkConf(false).set(Limits.ALLREDUCE, "7s");
        assertThat(Limits.of(conf).checkpoint()).isEqualTo(7_000);
        assertThat(Limits.of(conf.set(Limits.ALLREDUCE, "2h")).checkpoint()).isEqualTo(standard.request());
    }

    @Test
    void aRankThatMustStopDoesNotWaitForItsSave() throws IOException {
        CountDownLatch never = new CountDownLatch(1);
        Runnable stopped = () -> {
            throw new IllegalStateException("rank 0 must stop");
        };
        CheckpointWriter writer = new CheckpointWriter(store(), (step, staged) -> wait(never), stopped, LONG);
        save(writer, 10);
        assertThatThrownBy(writer::finish).hasMessage("rank 0 must stop");
        assertThatThrownBy(writer::close).hasMessage("rank 0 must stop");
    }

    @Test
    void aFullDiskSurfacesAtTheNextStepAndTheLastGoodCheckpointStays() throws Exception {
        CheckpointStore first = store();
        first.commit(first.stage(TestCheckpoints.snapshot(10)), 10);
        CheckpointStore full = TestCheckpoints.store(run, new Storage(new FullDisk(100, HADOOP), HADOOP));
        try (CheckpointWriter writer =
                new CheckpointWriter(full, (step, staged) -> full.commit(staged, step), () -> {}, LONG)) {
            save(writer, 20);
            assertThatThrownBy(() -> {
                        while (true) {
                            writer.check();
                            Thread.sleep(1);
                        }
                    })
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("could not write checkpoint step-0000020")
                    .hasMessageContaining("No space left on device")
                    .hasMessageContaining("free space");
            writer.check();
        }
        assertThat(files()).containsExactly("step-0000010");
        assertThat(store().load(store().committed(10), new LoadedTensors()).step())
                .isEqualTo(10);
    }
}
