package dev.kindling.train.checkpoint;

import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.model.Snapshot;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.hadoop.fs.Path;

/**
 * The two newest snapshots of a run in this executor process, outside of its heap, for the next generation: one is committed
 * while the other may still be being written.
 */
public final class HeldCheckpoint {
    /**
     * @param committed where it is once it is committed: run directory and step
     * @param checkpoint that reads the memory
     * @param before the one before it, or null
     */
    private record Held(Path committed, Checkpoint checkpoint, Snapshot memory, Held before) {
        /** Frees all that is before this one. */
        Held alone() {
            if (before != null) {
                before.free();
            }
            return new Held(committed, checkpoint, memory, null);
        }

        void free() {
            alone();
            memory.close();
        }
    }

    private final AtomicReference<Object> place;
    private final CheckpointStore store;
    private final boolean on;

    /** @param on whether anything is held at all */
    public HeldCheckpoint(AtomicReference<Object> place, CheckpointStore store, boolean on) {
        this.place = place;
        this.store = store;
        this.on = on;
    }

    public boolean on() {
        return on;
    }

    /** Lets go of all but the newest, which must be committed by now, before another is taken: no rank ever has a third. */
    public void makeRoom() {
        place.set(newest() == null ? null : newest().alone());
    }

    /**
     * Holds a checkpoint beside the one before.
     *
     * @param memory that the checkpoint reads, freed from now on by this
     */
    public void hold(Checkpoint checkpoint, Snapshot memory) {
        place.set(new Held(store.committed(checkpoint.state().step()), checkpoint, memory, newest()));
    }

    private Held newest() {
        return place.get() instanceof Held held ? held : null;
    }

    public void release() {
        free(place);
    }

    /** Frees what is held in {@code place}, by whichever generation. */
    public static void free(AtomicReference<Object> place) {
        if (place.getAndSet(null) instanceof Held held) {
            held.free();
        }
    }

    /** The checkpoint of {@code step}, if this process holds to the bit what was committed; nothing else stays held. */
    public Optional<Checkpoint> committed(long step) throws IOException {
        Held found = newest();
        while (found != null && !(on && found.committed.equals(store.committed(step)))) {
            Held other = found;
            found = other.before;
            other.memory.close();
        }
        place.set(found == null ? null : found.alone());
        if (found != null) {
            Checkpoint held = found.checkpoint;
            Optional<Checkpoint> same =
                    store.committedAs(held).map(state -> new Checkpoint(state, held.model(), held.optimizer()));
            if (same.isPresent()) {
                return same;
            }
        }
        release();
        return Optional.empty();
    }
}
