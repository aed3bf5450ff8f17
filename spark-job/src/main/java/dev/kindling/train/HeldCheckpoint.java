package dev.kindling.train;

import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointStore;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.apache.hadoop.fs.Path;

/**
 * The two newest snapshots of a run in this executor process, for the next generation: one is committed while the other
 * may still be being written.
 */
final class HeldCheckpoint {
    /**
     * @param committed where it is once it is committed: run directory and step
     * @param before the one before it, or null
     */
    private record Held(Path committed, Checkpoint checkpoint, Held before) {
        Held alone() {
            return new Held(committed, checkpoint, null);
        }
    }

    private final AtomicReference<Object> place;
    private final CheckpointStore store;
    private final boolean on;

    /** @param on whether anything is held at all */
    HeldCheckpoint(AtomicReference<Object> place, CheckpointStore store, boolean on) {
        this.place = place;
        this.store = store;
        this.on = on;
    }

    boolean on() {
        return on;
    }

    /**
     * Takes a snapshot and holds it beside the one before, which must be committed by now. The one before that goes first:
     * no rank ever has a third.
     *
     * @param snapshot empty on a rank that takes none
     */
    Optional<Checkpoint> hold(Supplier<Optional<Checkpoint>> snapshot) {
        Held before = newest() == null ? null : newest().alone();
        place.set(before);
        Optional<Checkpoint> taken = snapshot.get();
        if (on && taken.isPresent()) {
            Path committed = store.committed(taken.get().state().step());
            place.set(new Held(committed, taken.get(), before));
        }
        return taken;
    }

    private Held newest() {
        return place.get() instanceof Held held ? held : null;
    }

    void release() {
        place.set(null);
    }

    /** The checkpoint of {@code step}, if this process holds to the bit what was committed; nothing else stays held. */
    Optional<Checkpoint> committed(long step) throws IOException {
        for (Held held = newest(); on && held != null; held = held.before) {
            if (held.committed.equals(store.committed(step))) {
                place.set(held.alone());
                Optional<Checkpoint> same = store.load(held.checkpoint);
                if (same.isPresent()) {
                    return same;
                }
            }
        }
        release();
        return Optional.empty();
    }
}
