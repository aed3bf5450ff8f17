package dev.kindling.train.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.model.Snapshot;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HeldCheckpointTest {
    @TempDir
    private Path run;

    private final AtomicReference<Object> place = new AtomicReference<>();
    private CheckpointStore store;

    @BeforeEach
    void openStore() throws Exception {
        store = TestCheckpoints.store(run);
    }

    private HeldCheckpoint held(boolean on) {
        return new HeldCheckpoint(place, store, on);
    }

    private static Snapshot hold(HeldCheckpoint held, long step) {
        Snapshot memory = Snapshot.onHost(3);
        held.makeRoom();
        held.hold(TestCheckpoints.snapshot(step), memory);
        return memory;
    }

    private static void assertFreed(Snapshot memory) {
        assertThatThrownBy(() -> memory.first().read(0, FloatBuffer.allocate(3)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("after it was let go");
    }

    private static void assertThere(Snapshot memory) {
        memory.first().read(0, FloatBuffer.allocate(3));
    }

    /** 24 bytes for each weight: a third snapshot, taken while two are held, would make it 36. */
    @Test
    void theOlderOfTwoGoesBeforeAThirdIsTaken() {
        HeldCheckpoint held = held(true);
        Snapshot first = hold(held, 10);
        Snapshot second = hold(held, 20);
        assertThere(first);
        held.makeRoom();
        assertFreed(first);
        assertThere(second);
        held.release();
        assertFreed(second);
        assertThat(place.get()).isNull();
    }

    @Test
    void theCommittedOneIsFoundWhetherTheOneAfterItWasTakenOrNot() throws Exception {
        HeldCheckpoint held = held(true);
        Checkpoint committed = TestCheckpoints.snapshot(10);
        store.save(committed);
        Snapshot first = hold(held, 10);
        Snapshot second = hold(held, 20);
        assertThat(held.committed(10)).map(it -> it.state().step()).contains(10L);
        assertThere(first);
        assertFreed(second);
        held.makeRoom();
        assertThat(held.committed(10)).isPresent();
        assertThat(held.committed(30)).isEmpty();
        assertFreed(first);
    }

    @Test
    void nothingIsHeldWhereNothingIsToBe() throws Exception {
        Snapshot memory = hold(held(true), 10);
        store.save(TestCheckpoints.snapshot(10));
        assertThat(held(false).committed(10)).isEmpty();
        assertFreed(memory);
        assertThat(place.get()).isNull();
    }
}
