package dev.kindling.train;

import dev.kindling.attention.Sdpa;
import dev.kindling.config.ClusterSection.Compression;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection;
import dev.kindling.device.Device;
import dev.kindling.device.StepInputs;
import dev.kindling.exchange.GradientExchange;
import dev.kindling.exchange.GradientSum;
import dev.kindling.exchange.RankLinks;
import dev.kindling.exchange.RankShare;
import dev.kindling.exchange.ZeroExchange;
import dev.kindling.model.GptConfigs;
import dev.kindling.model.Snapshot;
import dev.kindling.nn.BatchShape;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.OptimizerShard;
import dev.kindling.nn.Parameters;
import dev.kindling.optim.AdamW;
import dev.kindling.plan.MemoryFit;
import dev.kindling.plan.PlannedRank;
import dev.kindling.tensor.Tensor;
import java.util.Optional;

/**
 * A rank's copy of a configuration's model and what trains it: weights, gradients, optimizer state and the activations
 * of one micro-batch, all from one arena, and the exchange with the other ranks. Weights are unset until they are
 * initialised or loaded. A {@link TrainStep} trains it.
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
    private final MemoryFit fit;
    private final Sdpa sdpa;
    private final Parameters parameters;
    private final AdamW adamW;
    private final BatchShape shape;
    private final Gpt gpt;
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
        this.config = config;
        this.ranks = ranks;
        this.memory = memory;
        shape = inputs.shape();
        TrainSection train = config.train();
        Device device = memory.device();
        fit = fit(device, inputs);
        fit.require();
        sdpa = new Sdpa(device, memory.arena(), config.cluster().attention().kinds());
        boolean sharded = train.zero() == 1 && ranks.worldSize() > 1;
        parameters = new Parameters(
                GptConfigs.of(config.model(), inputs.vocabulary()),
                device,
                memory.arena(),
                true,
                sharded ? shard(ranks) : OptimizerShard.WHOLE);
        adamW = new AdamW(
                parameters,
                new AdamW.Coefficients((float) train.beta1(), (float) train.beta2(), (float) train.weightDecay()),
                device,
                memory.arena());
        gpt = new Gpt(parameters, shape, fit.activations(), sdpa, memory);
        share = RankShare.of(train.microBatches(), ranks.rank(), ranks.worldSize(), train.seed());
        sum = GradientSum.of(train.reduction(), memory, parameters.gradients(), gpt.lossSum(), share);
        Compression compression = config.cluster().compression();
        zero = sharded ? Optional.of(ZeroExchange.of(ranks, memory, parameters, sum, compression)) : Optional.empty();
        exchange = sharded ? zero.get() : GradientExchange.of(ranks, memory, parameters, sum, compression);
    }

    private MemoryFit fit(Device device, ModelInputs inputs) {
        boolean cuda = device.kind() == Device.Kind.CUDA;
        return new MemoryFit(
                new PlannedRank(config, inputs.vocabulary(), shape, cuda, ranks.worldSize()),
                new MemoryFit.Available(
                        cuda ? device.description() : "the heap of an executor",
                        device.memory().total()));
    }

    private static OptimizerShard shard(RankLinks ranks) {
        OptimizerShard.Cut cut = ranks.nccl().isPresent() ? OptimizerShard.Cut.BUCKETS : OptimizerShard.Cut.SLICES;
        return new OptimizerShard(cut, ranks.rank(), ranks.worldSize());
    }

    /** Whether the optimizer's state is sharded over the ranks (ZeRO). */
    boolean sharded() {
        return zero.isPresent();
    }

    /**
     * The state for a checkpoint, on rank 0; where it is sharded all ranks call it together.
     *
     * @param everywhere also on the other ranks, unless it is sharded
     */
    Optional<Snapshot> snapshot(boolean everywhere) {
        boolean here = ranks.rank() == 0 || (everywhere && !sharded());
        Optional<float[]> weights = collect(parameters.master(), here);
        Optional<float[]> first = collect(adamW.firstMoments(), here);
        Optional<float[]> second = collect(adamW.secondMoments(), here);
        if (sharded()) {
            // A rank that leaves after its last step would break off what rank 0 still collects.
            ranks.allReduce().barrier();
        }
        return weights.map(all -> new Snapshot(all, first.orElseThrow(), second.orElseThrow()));
    }

    private Optional<float[]> collect(Tensor tensor, boolean here) {
        boolean whole = tensor.count() == parameters.count();
        if (!whole) {
            return zero.orElseThrow().collect(tensor);
        }
        if (!here) {
            return Optional.empty();
        }
        float[] flat = new float[Math.toIntExact(tensor.count())];
        memory.device().download(tensor, flat);
        return Optional.of(flat);
    }

    /**
     * Runs forward and backward of a micro-batch on this rank alone, so that all memory that a step takes is taken. The
     * weights must be set.
     */
    public void rehearse() {
        int[] tokens = new int[shape.rows()];
        memory.device().setStep(new StepInputs(share.seed(), 0, 0, 1, 1, 1));
        gpt.load(tokens, tokens);
        gpt.beginStep();
        gpt.forward();
        gpt.backward(bucket -> {});
        memory.device().synchronize();
    }

    /** The model for evaluation: without dropout, in the same memory as for training, which waits meanwhile. */
    public Gpt evaluation() {
        return gpt.evaluation();
    }

    /** The memory that all of it takes. */
    MemoryFit fit() {
        return fit;
    }

    TrainConfig config() {
        return config;
    }

    Device device() {
        return memory.device();
    }

    /** The model for training. */
    Gpt gpt() {
        return gpt;
    }

    GradientSum sum() {
        return sum;
    }

    GradientExchange exchange() {
        return exchange;
    }

    public Sdpa sdpa() {
        return sdpa;
    }

    public Parameters parameters() {
        return parameters;
    }

    public AdamW adamW() {
        return adamW;
    }

    /** This rank's part of every step. */
    public RankShare share() {
        return share;
    }
}
