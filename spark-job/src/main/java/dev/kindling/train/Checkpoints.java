package dev.kindling.train;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.coordinate.RankSession;
import dev.kindling.model.HostRoom;
import dev.kindling.model.ModelWeights;
import dev.kindling.model.Snapshot;
import dev.kindling.train.checkpoint.CheckpointWriter;
import dev.kindling.train.checkpoint.HeldCheckpoint;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;

/**
 * A rank's checkpoints: a copy of the state between two steps, which rank 0 writes and every rank holds in memory while
 * training goes on. Used by the training thread.
 */
final class Checkpoints implements AutoCloseable {
    private final RankSession member;
    private final AllReduce allReduce;
    private final ModelWeights weights;
    private final long snapshotBytes;
    private final Replica replica;
    private final HostRoom room = HostRoom.ofThisTask();
    private final Snapshots snapshots;
    private final CheckpointWriter writer;
    private final HeldCheckpoint held;
    private boolean toldNotHeld;

    /** @param inMemory whether the newest are held in memory, where they fit */
    Checkpoints(Trainer.Rank rank, Replica replica, ModelWeights weights, boolean inMemory) {
        member = rank.member();
        allReduce = rank.ranks().allReduce();
        this.replica = replica;
        this.weights = weights;
        snapshotBytes = Snapshot.WEIGHT_BYTES * replica.parameters().count();
        snapshots = new Snapshots(replica, room, this::tell);
        writer = new CheckpointWriter(
                rank.store(),
                (step, staged) -> member.request(CommitRequest.TOPIC, new CommitRequest(step, staged.toString())),
                member::check,
                Duration.ofMillis(member.limits().checkpoint()));
        held = new HeldCheckpoint(rank.seat().checkpoints(), rank.store(), inMemory);
    }

    /** What this process holds in memory. */
    HeldCheckpoint held() {
        return held;
    }

    /** Throws what a save has failed with, if one has; never waits. */
    void check() throws IOException {
        writer.check();
    }

    /** Whether this rank has a part in saving: rank 0 does always. */
    boolean takesPart() {
        return member.rank() == 0 || replica.sharded() || held.on();
    }

    /** Saves the state between two steps, on all ranks that {@link #takesPart}. */
    void save(CheckpointState state) throws IOException {
        member.enter("waiting for the checkpoint before that of step " + state.step());
        writer.finish();
        if (held.on()) {
            allReduce.barrier(); // no rank lets go of the checkpoint before until that is committed
            held.makeRoom();
        }
        member.enter("checkpoint");
        Optional<Snapshots.Taken> taken = snapshots.take(member.rank() == 0, held.on());
        if (taken.isPresent()) {
            writer.begin(state.step(), () -> keep(state, taken.get()));
            if (taken.get().where() == Snapshots.Place.STATE) {
                writer.finish(); // the next step changes it
            }
        }
    }

    /** Holds a snapshot in memory where that is wanted and it fits, and writes it on rank 0; on the writer's thread. */
    private void keep(CheckpointState state, Snapshots.Taken taken) throws IOException {
        Optional<Snapshot> memory = held.on() ? onHost(taken) : Optional.empty();
        memory.ifPresent(it -> held.hold(weights.checkpoint(state, it), it));
        try {
            if (member.rank() == 0) {
                writer.write(weights.checkpoint(state, memory.orElse(taken.snapshot())));
            }
        } finally {
            if (memory.filter(taken.snapshot()::equals).isEmpty()) {
                taken.snapshot().close();
            }
        }
    }

    /** The snapshot in the host's memory, where it lies there or fits. */
    private Optional<Snapshot> onHost(Snapshots.Taken taken) {
        if (taken.where() == Snapshots.Place.HOST) {
            return Optional.of(taken.snapshot());
        }
        Optional<String> whyNot = room.whyNot(snapshotBytes);
        if (whyNot.isEmpty()) {
            return Optional.of(taken.snapshot().toHost(replica.parameters().count()));
        }
        if (!toldNotHeld) {
            toldNotHeld = true;
            tell("checkpoints are not held in memory, so that after a loss training goes on from disk: "
                    + whyNot.get());
        }
        return Optional.empty();
    }

    private void tell(String text) {
        member.report(RankReport.Notice.TOPIC, new RankReport.Notice(member.where(), text));
    }

    /** Waits until the save in flight, if any, is committed. */
    void finish(Duration limit) throws IOException {
        writer.finish(limit);
    }

    /** See {@link Snapshots#peakBytes}. */
    long peakBytes() {
        return snapshots.peakBytes();
    }

    @Override
    public void close() {
        try {
            writer.close();
        } finally {
            snapshots.close();
        }
    }
}
