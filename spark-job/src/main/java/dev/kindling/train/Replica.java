package dev.kindling.train;

import dev.kindling.attention.Sdpa;
import dev.kindling.config.ClusterSection.Compression;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection;
import dev.kindling.device.Device;
import dev.kindling.device.StepInputs;
import dev.kindling.device.TensorReader;
import dev.kindling.exchange.GradientExchange;
import dev.kindling.exchange.GradientSum;
import dev.kindling.exchange.RankLinks;
import dev.kindling.exchange.RankShare;
import dev.kindling.exchange.ShardedState;
import dev.kindling.exchange.ZeroExchange;
import dev.kindling.model.FlatTarget;
import dev.kindling.nn.BatchShape;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.OptimizerShard;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.optim.AdamW;
import dev.kindling.plan.MemoryFit;
import dev.kindling.tensor.Tensor;
import java.util.List;
import java.util.Optional;

/**
 * A rank's {@link TrainedModel}, and the exchange with the other ranks of its generation. A {@link TrainStep} trains it.
 */
public final class Replica {
    /**
     * What the model reads.
     *
     * @param vocabulary number of ids
     * @param shape of the micro-batches
     */
    public record ModelInputs(int vocabulary, BatchShape shape) {
        /** Windows of block_size tokens, micro_batch of them. */
        public static ModelInputs windows(TrainConfig config, int vocabulary) {
            return new ModelInputs(
                    vocabulary,
                    BatchShape.dense(config.train().microBatch(), config.model().blockSize()));
        }
    }

    private final TrainConfig config;
    private final RankLinks ranks;
    private final Gpt.DeviceArena memory;
    private final TrainedModel model;
    private final RankShare share;
    private final GradientSum sum;
    private final Optional<ZeroExchange> zero;
    private final GradientExchange exchange;

    /**
     * Allocates everything on the device.
     *
     * @param ranks the ranks whose replicas train together
     * @throws dev.kindling.tensor.DeviceMemoryException if that does not fit; it says what would
     * @throws UnsupportedOperationException if {@code cluster.attention} cannot run on the device
     */
    public Replica(TrainConfig config, ModelInputs inputs, RankLinks ranks, Gpt.DeviceArena memory) {
        this(
                config,
                TrainedModel.allocate(config, inputs, shard(config, ranks), ranks.worldSize(), memory),
                ranks,
                memory);
    }

    /**
     * A rank's copy over a model that is there.
     *
     * @param model of {@link #shard} of these ranks
     * @param memory for what the exchange needs, on the model's device
     */
    Replica(TrainConfig config, TrainedModel model, RankLinks ranks, Gpt.DeviceArena memory) {
        this.config = config;
        this.model = model;
        this.ranks = ranks;
        this.memory = memory;
        TrainSection train = config.train();
        Parameters parameters = model.parameters();
        share = share(config, ranks);
        sum = GradientSum.of(
                train.reduction(), memory, parameters.gradients(), model.gpt().lossSum(), share);
        Compression compression = config.cluster().compression();
        boolean sharded = isSharded(config, ranks);
        zero = sharded ? Optional.of(ZeroExchange.of(ranks, memory, parameters, sum, compression)) : Optional.empty();
        exchange = sharded ? zero.get() : GradientExchange.of(ranks, memory, parameters, sum, compression);
    }

    private static boolean isSharded(TrainConfig config, RankLinks ranks) {
        return config.train().zero() == 1 && ranks.worldSize() > 1;
    }

    /** A rank's part of every step. */
    static RankShare share(TrainConfig config, RankLinks ranks) {
        TrainSection train = config.train();
        return RankShare.of(train.microBatches(), ranks.rank(), ranks.worldSize(), train.seed());
    }

    /** The part of the weights that a rank updates: all, or with ZeRO its shard. */
    static OptimizerShard shard(TrainConfig config, RankLinks ranks) {
        if (!isSharded(config, ranks)) {
            return OptimizerShard.WHOLE;
        }
        OptimizerShard.Cut cut = ranks.gpus().isPresent() ? OptimizerShard.Cut.BUCKETS : OptimizerShard.Cut.SLICES;
        return new OptimizerShard(
                cut, ranks.rank(), ranks.worldSize(), config.cluster().redundancy());
    }

    /** Whether the optimizer's state is sharded over the ranks (ZeRO). */
    boolean sharded() {
        return zero.isPresent();
    }

    /** The state for a checkpoint: F32 weights, first and second moments, of the weights that this rank updates or of all. */
    List<Tensor> state() {
        AdamW adamW = model.adamW();
        return List.of(model.parameters().master(), adamW.firstMoments(), adamW.secondMoments());
    }

    /**
     * Hands out the whole {@link #state}; where it is sharded all ranks call it together.
     *
     * @param targets one for each; empty on a rank that takes none, as where it is sharded only rank 0 does
     */
    void collect(Optional<List<FlatTarget>> targets) {
        for (int i = 0; i < state().size(); i++) {
            Tensor tensor = state().get(i);
            Optional<FlatTarget> target =
                    targets.isPresent() ? Optional.of(targets.get().get(i)) : Optional.empty();
            if (!sharded() || tensor == model.parameters().working()) {
                target.ifPresent(it -> it.take(memory.device(), 0, tensor));
            } else {
                zero.orElseThrow().collect(tensor, target);
            }
        }
        if (sharded()) {
            // A rank that leaves after its last step would break off what rank 0 still collects.
            ranks.allReduce().barrier();
        }
    }

    /** The whole {@link #state} of a sharded replica, read where it lies; all ranks take part. */
    ShardedState shardedState(TensorReader reader) {
        return new ShardedState(ranks.allReduce(), model.parameters(), state(), reader);
    }

    /** What rank 0 says, on every rank; all call it together. */
    boolean rootSays(boolean answer) {
        return ranks.allReduce().broadcast(new byte[] {(byte) (answer ? 1 : 0)})[0] == 1;
    }

    /**
     * Runs forward and backward of a micro-batch on this rank alone, so that all memory that a step takes is taken. The
     * weights must be set.
     */
    public void rehearse() {
        int[] tokens = new int[model.inputs().shape().rows()];
        memory.device().setStep(new StepInputs(share.seed(), 0, 0, 1, 1, 1));
        gpt().load(tokens, tokens);
        gpt().beginStep();
        gpt().forward();
        gpt().backward(false, bucket -> {});
        memory.device().synchronize();
    }

    /** The model for evaluation: without dropout, in the same memory as for training, which waits meanwhile. */
    public Gpt evaluation() {
        return model.evaluation();
    }

    /** The memory that all of it takes. */
    MemoryFit fit() {
        return model.fit();
    }

    TrainConfig config() {
        return config;
    }

    Device device() {
        return memory.device();
    }

    /** The model, which may be older than this replica. */
    TrainedModel model() {
        return model;
    }

    /** The model for training. */
    public Gpt gpt() {
        return model.gpt();
    }

    GradientSum sum() {
        return sum;
    }

    GradientExchange exchange() {
        return exchange;
    }

    public Sdpa sdpa() {
        return model.sdpa();
    }

    public Parameters parameters() {
        return model.parameters();
    }

    public AdamW adamW() {
        return model.adamW();
    }

    int rank() {
        return ranks.rank();
    }

    /** This rank's part of every step. */
    public RankShare share() {
        return share;
    }
}
