package dev.kindling.train.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.storage.Storage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RescueTest {
    @TempDir
    private Path run;

    private CheckpointStore store;

    @BeforeEach
    void openStore() throws Exception {
        org.apache.hadoop.fs.Path path = new org.apache.hadoop.fs.Path(run.toString());
        store = new CheckpointStore(
                Storage.of(path, new Configuration(false)), new org.apache.hadoop.fs.Path(path, "c"), 3);
    }

    /** All ranks at once, as they do when their driver is gone. */
    private void rescue(int ranks, boolean owned, long... steps) throws Exception {
        List<CompletableFuture<Void>> all = new ArrayList<>();
        for (int i = 0; i < steps.length; i++) {
            Rescue rescue = new Rescue(store.rescued(), () -> owned, store::newestStep, i, ranks);
            long step = steps[i];
            all.add(CompletableFuture.runAsync(() -> {
                try {
                    rescue.run(step, committed -> CheckpointWriterTest.snapshot(step));
                } catch (Exception e) {
                    throw new IllegalStateException(e);
                }
            }));
        }
        for (CompletableFuture<Void> one : all) {
            one.get(1, TimeUnit.MINUTES);
        }
    }

    private List<String> names() throws Exception {
        try (Stream<Path> names = Files.list(run.resolve("c"))) {
            return names.map(path -> path.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void theLowestRankWithTheNewestStepWritesItAndTheNextDriverCommitsIt() throws Exception {
        store.save(CheckpointWriterTest.snapshot(50));
        rescue(3, true, 56, 57, 57);
        assertThat(names()).containsExactly(".rescued-step-0000057-rank-1", "step-0000050");
        assertThat(store.latestValid().found().orElseThrow().step()).isEqualTo(50);
        assertThat(store.latestValidOrRescued().found().orElseThrow().step()).isEqualTo(57);
        assertThat(store.commitRescued()).hasValue(57);
        assertThat(names()).containsExactly("step-0000050", "step-0000057");
        assertThat(store.latestValid().found().orElseThrow().step()).isEqualTo(57);
        assertThat(store.commitRescued()).isEmpty();
    }

    @Test
    void aRankThatIsGoneIsNotWaitedForLong() throws Exception {
        rescue(2, true, 7);
        assertThat(store.commitRescued()).hasValue(7);
    }

    @Test
    void whatACheckpointHasOrNoRankHoldsIsNotWritten() throws Exception {
        store.save(CheckpointWriterTest.snapshot(50));
        rescue(2, true, 50, 49);
        rescue(2, true, 0, 0);
        assertThat(names()).containsExactly("step-0000050");
    }

    @Test
    void aTrainingThatOwnsTheRunNoMoreLeavesNothing() throws Exception {
        rescue(1, false, 7);
        assertThat(names()).isEmpty();
    }

    @Test
    void aDamagedOneIsPassedOver() throws Exception {
        rescue(1, true, 8);
        rescue(1, true, 9);
        Path newer = run.resolve("c/.rescued-step-0000009-rank-0/model.safetensors");
        byte[] bytes = Files.readAllBytes(newer);
        bytes[bytes.length - 1] ^= 1;
        Files.write(newer, bytes);
        assertThat(store.commitRescued()).hasValue(8);
        assertThat(names()).containsExactly("step-0000008");
    }

    @Test
    void anOlderOneThanTheNewestCheckpointIsSweptWithTheNextCommit() throws Exception {
        rescue(1, true, 8);
        store.save(CheckpointWriterTest.snapshot(9));
        assertThat(store.commitRescued()).isEmpty();
        assertThat(names()).containsExactly("step-0000009");
    }
}
