package dev.kindling.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.storage.Storage;
import java.lang.ref.WeakReference;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
class HeldCheckpointTest {
    @TempDir
    private Path run;

    private final AtomicReference<Object> place = new AtomicReference<>();
    private CheckpointStore store;

    @BeforeEach
    void openStore() throws Exception {
        org.apache.hadoop.fs.Path path = new org.apache.hadoop.fs.Path(run.toString());
        store = new CheckpointStore(
                Storage.of(path, new Configuration(false)), new org.apache.hadoop.fs.Path(path, "c"), 3);
    }

    private static Supplier<Optional<Checkpoint>> taking(long step) {
        return () -> Optional.of(CheckpointWriterTest.snapshot(step));
    }

    /** 24 bytes for each weight: a third snapshot, taken while two are held, would make it 36. */
    @Test
    void theOlderOfTwoGoesBeforeAThirdIsTaken() {
        HeldCheckpoint held = new HeldCheckpoint(place, store, true);
        WeakReference<Checkpoint> first =
                new WeakReference<>(held.hold(taking(10)).orElseThrow());
        WeakReference<Checkpoint> second =
                new WeakReference<>(held.hold(taking(20)).orElseThrow());
        held.hold(() -> {
            awaitCollected(first);
            assertThat(second.get()).isNotNull();
            return Optional.of(CheckpointWriterTest.snapshot(30));
        });
        assertThat(first.get()).isNull();
        assertThat(second.get()).isNotNull();
    }

    private static void awaitCollected(WeakReference<Checkpoint> reference) {
        while (reference.get() != null) { // the time limit of the class ends it
            System.gc();
        }
    }

    @Test
    void theCommittedOneIsFoundWhetherTheOneAfterItWasTakenOrNot() throws Exception {
        HeldCheckpoint held = new HeldCheckpoint(place, store, true);
        Checkpoint committed = held.hold(taking(10)).orElseThrow();
        store.commit(store.stage(committed), 10);
        held.hold(taking(20));
        assertThat(held.committed(10)).map(it -> it.state().step()).contains(10L);
        assertThat(held.hold(Optional::empty)).isEmpty();
        assertThat(held.committed(10)).isPresent();
    }

    @Test
    void nothingIsHeldWhereNothingIsToBe() {
        HeldCheckpoint held = new HeldCheckpoint(place, store, false);
        assertThat(held.hold(taking(10))).isPresent();
        assertThat(place.get()).isNull();
    }
}
