package dev.kindling.train;

import com.fasterxml.jackson.databind.JsonNode;
import dev.kindling.allreduce.Rounding;
import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.checkpoint.RescuedCheckpoints;
import dev.kindling.config.ClusterSection.Compression;
import dev.kindling.config.TrainConfig;
import dev.kindling.coordinate.JobPlace;
import dev.kindling.coordinate.RankSession;
import dev.kindling.coordinate.message.HeldState;
import dev.kindling.coordinate.message.MessageCodec;
import dev.kindling.data.corpus.CorpusSplit;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.device.Device;
import dev.kindling.device.TensorReader;
import dev.kindling.exchange.HeldParts;
import dev.kindling.exchange.RoundingSchedule;
import dev.kindling.model.ExecutorDevice;
import dev.kindling.model.ModelWeights;
import dev.kindling.model.Snapshot;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.OptimizerShard;
import dev.kindling.prepare.ShardPreparation;
import dev.kindling.storage.Storage;
import dev.kindling.tensor.Arena;
import dev.kindling.train.checkpoint.HeldCheckpoint;
import dev.kindling.train.checkpoint.Rescue;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What an executor process keeps of a training between its generations: the device, the model on it after the last step
 * that it has finished, and what is known beside the weights. A rank takes it when it begins and leaves it when it is
 * interrupted, wherever that is; used by one thread at a time.
 */
final class Seat implements JobPlace.Kept {
    private static final Logger LOG = LoggerFactory.getLogger(Seat.class);
    /** More than a rank may have on the way to the driver. */
    private static final int MOST_REPORTS = 10_000;

    private final TrainConfig config;
    private final Device device;
    /** Of {@link HeldCheckpoint}. */
    private final AtomicReference<Object> checkpoints = new AtomicReference<>();

    private final Deque<StepReport> reports = new ArrayDeque<>();
    private ShardSet shards;
    private Arena arena;
    private TrainedModel model;
    private BestLoss best = BestLoss.NONE;
    /** The last finished step, for as long as its evaluation is due. */
    private StepReport unfinished;
    /** What the rank that sat here last does without a driver; null before there was one. */
    private Rescue rescue;

    private Seat(TrainConfig config, Device device) {
        this.config = config;
        this.device = device;
    }

    /** The one of this process, or a new one with its device; a GPU is claimed for the rank. */
    static Seat take(TrainConfig config, RankSession member) {
        Seat seat = take(config, member.place());
        try {
            ExecutorDevice.claim(seat.device, member);
            return seat;
        } catch (RuntimeException e) {
            seat.close();
            throw e;
        }
    }

    /** The same, on an executor without a rank. */
    static Seat take(TrainConfig config, JobPlace place) {
        return place.take() instanceof Seat left ? left : new Seat(config, ExecutorDevice.open(config));
    }

    /** Leaves it in this process for the job's next generation, if the device is sound. */
    void leave(JobPlace place) {
        try {
            device.synchronize();
        } catch (RuntimeException e) {
            LOG.warn("the device is not sound, so its state is given up: {}", e.toString());
            close();
            return;
        }
        place.keep(this);
    }

    Device device() {
        return device;
    }

    /** The shards in a folder, opened once in this process. */
    ShardSet shards(String folder) throws IOException {
        if (shards == null) {
            shards = ShardPreparation.open(folder, Storage.settings());
        }
        return shards;
    }

    /** Whether there is no model yet. */
    boolean isEmpty() {
        return model == null;
    }

    AtomicReference<Object> checkpoints() {
        return checkpoints;
    }

    /** What this process holds for a generation whose rank here updates {@code shard}. */
    HeldState held(OptimizerShard shard) {
        long step = model != null && haveSameParts(shard, model.shard()) ? finishedStep() : 0;
        return step > 0 ? new HeldState(step, shard.ranks(), model.shard().kept()) : HeldState.NOTHING;
    }

    /** The number of steps after which the state here is, 0 where it is that of no step or residuals belong to it. */
    private long finishedStep() {
        long step = model.settled().orElse(0);
        return step > 0 && residualsAreEmpty(step) ? step : 0;
    }

    /** Whether what one rank keeps can become what another one does: all of it, or parts of which there are copies. */
    private static boolean haveSameParts(OptimizerShard one, OptimizerShard other) {
        boolean whole = one.ranks() == 1 && other.ranks() == 1;
        boolean copied = one.copies() > 0 && other.copies() > 0;
        return whole || (copied && one.ranks() == other.ranks() && one.cut() == other.cut());
    }

    /**
     * Takes the parts of a sharded state after {@code step} out of the model here, which {@link #model} may give up for
     * another rank's; none where there is no such state.
     */
    HeldParts parts(long step) {
        boolean holds =
                model != null && model.shard().copies() > 0 && model.settled().equals(OptionalLong.of(step));
        return holds ? model.parts() : new HeldParts();
    }

    /** What rounding has taken from a lost rank's gradients is lost with it, unless the step has settled it. */
    private boolean residualsAreEmpty(long done) {
        return config.cluster().compression() == Compression.NONE
                || RoundingSchedule.of(config).at(done - 1) == Rounding.SETTLED;
    }

    /** The model for these inputs and this shard: the one that is there, or a new one in its place. */
    TrainedModel model(Replica.ModelInputs inputs, OptimizerShard shard, int worldSize) {
        if (model == null || !model.fits(inputs, shard)) {
            dropModel();
            arena = device.arena("training");
            model = TrainedModel.allocate(config, inputs, shard, worldSize, new Gpt.DeviceArena(device, arena));
        }
        return model;
    }

    private void dropModel() {
        if (arena != null) {
            arena.close();
        }
        model = null;
        arena = null;
    }

    BestLoss best() {
        return best;
    }

    void best(BestLoss lowest) {
        best = lowest;
    }

    /** A step is done; its evaluation, if one is due, is not. */
    void finished(StepReport step) {
        unfinished = step;
    }

    /** The last step, if it is not evaluated and told; null otherwise. */
    StepReport unfinished() {
        return unfinished;
    }

    /** All of a step is known: it is told to the driver, now or by the next generation. */
    void told(StepReport step) {
        unfinished = null;
        reports.addLast(step);
        if (reports.size() > MOST_REPORTS) {
            reports.removeFirst();
        }
    }

    /** Goes on with the last steps as a checkpoint has them. */
    void restoreReports(List<JsonNode> steps) {
        for (JsonNode step : steps) {
            told(MessageCodec.fromTree(step, StepReport.class));
        }
        if (!reports.isEmpty() && reports.getLast().valLoss() == null) { // evaluated now, if that is due
            unfinished = reports.removeLast();
        }
    }

    /** The last steps, which the driver may not have heard of from all ranks. */
    List<StepReport> reports() {
        return new ArrayList<>(reports);
    }

    /** Whether there are steps that the driver may not have heard of. */
    boolean hasReports() {
        return unfinished != null || !reports.isEmpty();
    }

    /** The driver knows all steps so far, or they do not count. */
    void forgetReports() {
        reports.clear();
        unfinished = null;
    }

    /**
     * What a checkpoint holds besides tensors.
     *
     * @param done steps
     * @param steps see {@link CheckpointState#steps}
     */
    CheckpointState state(long done, int worldSize, List<JsonNode> steps) {
        return new CheckpointState(
                done,
                config.toTree(),
                shards.tokenizer().toJson(),
                config.train().seed(),
                done * config.train().globalBatch(),
                worldSize,
                best.valLossIfAny(),
                best.stepIfAny(),
                model.fp8History(),
                steps,
                OptionalLong.of(shards.tokens(CorpusSplit.TRAIN).length()));
    }

    /** What is to be done with the state here when the driver is gone. */
    void rescue(Rescue ofThisRank) {
        rescue = ofThisRank;
    }

    /** Has the last finished step saved by this rank or by another one. */
    @Override
    public void orphaned() {
        if (rescue == null || model == null) {
            return;
        }
        try (TensorReader reader = device.reader()) {
            reader.follow();
            RescuedCheckpoints.Writer writer = rescue.writer();
            OptimizerShard shard = model.shard();
            boolean divided = shard.ranks() > 1;
            boolean own = !divided || (shard.rank() == writer.rank() && shard.ranks() == writer.ranks());
            long step = own ? finishedStep() : 0; // else what the rank before has left is of another division
            ModelWeights weights = new ModelWeights(model.parameters());
            rescue.run(new Rescue.Held(step, divided ? weights.shapes() : Map.of()), committed -> {
                CheckpointState state = state(step, writer.ranks(), reportsAfter(committed));
                Snapshot snapshot = model.snapshot(reader);
                return divided
                        ? weights.pieces(state, snapshot, model.parameters().own())
                        : weights.checkpoint(state, snapshot);
            });
        } catch (IOException | RuntimeException | Error e) {
            LOG.error("the last finished step could not be saved; the last checkpoint remains", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private List<JsonNode> reportsAfter(long step) {
        Stream<StepReport> last = Stream.ofNullable(unfinished);
        return Stream.concat(reports.stream(), last)
                .filter(report -> report.step() > step)
                .map(MessageCodec::toTree)
                .toList();
    }

    @Override
    public void close() {
        HeldCheckpoint.free(checkpoints);
        try {
            dropModel();
        } finally {
            device.close();
        }
    }
}
