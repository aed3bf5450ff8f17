package dev.kindling.train;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointException;
import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.config.TrainConfig;
import dev.kindling.coordinate.RankSession;
import dev.kindling.coordinate.message.DriverReply;
import dev.kindling.exchange.HeldParts;
import dev.kindling.exchange.StateHandover;
import dev.kindling.model.ModelWeights;
import dev.kindling.storage.Storage;
import dev.kindling.train.checkpoint.HeldCheckpoint;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.Path;

/**
 * How a rank gets the state that its generation begins with: from the ranks that hold the newest finished step, from the
 * last checkpoint, or by initialising.
 *
 * @param start what the ranks have agreed
 * @param parts that this process holds of a sharded state; closed when it is restored
 */
record Beginning(
        TrainConfig config,
        Trainer.Rank rank,
        Replica replica,
        ModelWeights weights,
        DriverReply.Start start,
        HeldParts parts) {
    /** Whether the state comes from the memory of ranks. */
    boolean live() {
        return !start.holders().isEmpty();
    }

    /** Whether steps before it may not all be told and evaluated; the same on all ranks, once the state is restored. */
    boolean goesOn() {
        return live() || rank.seat().hasReports();
    }

    /** The rank that knows best what was known beside the weights. */
    int lead() {
        return live() ? start.holders().get(0).get(0) : 0;
    }

    boolean leads() {
        return lead() == rank.member().rank();
    }

    /**
     * Restores weights, moments and what is known beside them; all ranks call it together.
     *
     * @return where from, for people
     */
    String restore(HeldCheckpoint held) throws IOException {
        try (parts) {
            String from = live() ? fromMemory() : fromDisk(held);
            replica.model().changed(start.step());
            return from;
        }
    }

    private String fromMemory() {
        List<Integer> holders = start.holders().get(0);
        RankSession member = rank.member();
        AllReduce allReduce = rank.ranks().allReduce();
        boolean holds = holders.contains(member.rank());
        if (replica.sharded()) {
            member.enter("taking over step " + start.step() + " from the ranks that hold its parts");
            replica.model().handOver(parts, allReduce, start.holders(), start.step());
        } else if (holders.size() < allReduce.worldSize()) {
            member.enter("taking over step " + start.step() + " from " + holders.size() + " rank(s)");
            replica.model().handOver(new StateHandover(allReduce, rank.device()), holders, holds, start.step());
        }
        BestLoss best = rank.seat().best();
        double[] known = allReduce.allGather(new double[] {best.valLoss(), best.step()})[lead()];
        rank.seat().best(new BestLoss(known[0], (long) known[1]));
        boolean own = start.holders().stream().anyMatch(part -> part.contains(member.rank()));
        return "step " + start.step() + (own ? " in memory" : " of rank " + lead());
    }

    private String fromDisk(HeldCheckpoint held) throws IOException {
        replica.model().changing();
        rank.seat().forgetReports();
        rank.seat().best(BestLoss.NONE);
        replica.model().fp8History(List.of());
        if (start.step() > 0) {
            return fromCheckpoint(held);
        }
        held.release();
        rank.member().enter("initialising the model");
        String initFrom = config.train().initFrom();
        Optional<Path> beginning = rank.store().beginning();
        if (beginning.isEmpty() && initFrom.equals("scratch")) {
            replica.parameters().initialise(config.train().seed());
        } else {
            Path checkpoint = beginning.orElseGet(() -> new Path(initFrom));
            CheckpointStore store = CheckpointStore.around(checkpoint, Storage.settings());
            weights.load(target -> store.loadModel(checkpoint, target));
        }
        return initFrom;
    }

    private String fromCheckpoint(HeldCheckpoint held) throws IOException {
        long step = start.step();
        rank.member().enter("restoring the checkpoint of step " + step);
        Optional<Checkpoint> inMemory = held.committed(step);
        try {
            Path committed = rank.store().committed(step);
            CheckpointState state = weights.load(
                    inMemory.isPresent()
                            ? inMemory.get()::readTo
                            : target -> rank.store().load(committed, target),
                    replica.adamW());
            rank.seat().best(BestLoss.of(state));
            replica.model().fp8History(state.fp8History());
            rank.seat().restoreReports(state.steps());
        } catch (CheckpointException e) { // the driver looks at all of them before the next attempt
            throw new IllegalStateException(e.getMessage(), e);
        }
        return "step " + step + (inMemory.isPresent() ? " in memory" : " on disk");
    }
}
