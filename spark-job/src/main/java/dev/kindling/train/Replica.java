package dev.kindling.train;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.Rounding;
import dev.kindling.attention.Sdpa;
import dev.kindling.config.ClusterSection.Compression;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection;
import dev.kindling.device.Device;
import dev.kindling.device.StepInputs;
import dev.kindling.device.cuda.nccl.NcclCommunicator;
import dev.kindling.exchange.GradientExchange;
import dev.kindling.exchange.GradientResidual;
import dev.kindling.exchange.GradientSum;
import dev.kindling.exchange.HostGradientExchange;
import dev.kindling.exchange.NcclGradientExchange;
import dev.kindling.exchange.NcclZeroExchange;
import dev.kindling.exchange.RankShare;
import dev.kindling.exchange.WholeUpdate;
import dev.kindling.exchange.ZeroExchange;
import dev.kindling.exchange.ZeroUpdate;
import dev.kindling.model.GptConfigs;
import dev.kindling.model.Snapshot;
import dev.kindling.nn.BatchShape;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.OptimizerShard;
import dev.kindling.nn.Parameters;
import dev.kindling.optim.AdamW;
import dev.kindling.optim.CosineSchedule;
import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.Tensor;
import java.util.Optional;

/**
 * A rank's copy of a configuration's model and what trains it: weights, gradients, optimizer state and the activations
 * of one micro-batch, all from one arena. Weights are unset until they are initialised or loaded.
 */
public final class Replica {
    /**
     * What the model reads.
     *
     * @param vocabulary number of ids
     * @param shape of the micro-batches
     */
    record Inputs(int vocabulary, BatchShape shape) {}

    private final TrainConfig config;
    private final AllReduce allReduce;
    private final Gpt.DeviceMemory memory;
    private final Sdpa sdpa;
    private final Parameters parameters;
    private final AdamW adamW;
    private final BatchShape shape;
    private final Gpt gpt;
    private final RankShare share;
    private final GradientSum sum;
    private final Optional<ZeroExchange> shards;
    private final GradientExchange exchange;

    /**
     * A replica for windows, as the configuration has them.
     *
     * @param allReduce sums the gradients of all ranks' replicas, where no {@code nccl} does
     * @throws UnsupportedOperationException if {@code cluster.attention} cannot run on the device
     */
    public Replica(
            TrainConfig config,
            int vocabulary,
            AllReduce allReduce,
            Optional<NcclCommunicator> nccl,
            Gpt.DeviceMemory memory) {
        this(
                config,
                new Inputs(
                        vocabulary,
                        BatchShape.dense(
                                config.train().microBatch(), config.model().blockSize())),
                allReduce,
                nccl,
                memory);
    }

    /** As the other, for micro-batches of any shape. */
    public Replica(
            TrainConfig config,
            Inputs inputs,
            AllReduce allReduce,
            Optional<NcclCommunicator> nccl,
            Gpt.DeviceMemory memory) {
        this.config = config;
        shape = inputs.shape();
        this.allReduce = allReduce;
        this.memory = memory;
        TrainSection train = config.train();
        Device device = memory.device();
        sdpa = new Sdpa(device, memory.arena(), config.cluster().attention().kinds());
        boolean sharded = train.zero() == 1 && allReduce.worldSize() > 1;
        OptimizerShard shard = new OptimizerShard(
                nccl.isPresent() ? OptimizerShard.Cut.BUCKETS : OptimizerShard.Cut.SLICES,
                allReduce.rank(),
                allReduce.worldSize());
        parameters = new Parameters(
                GptConfigs.of(config.model(), inputs.vocabulary()),
                device,
                memory.arena(),
                true,
                sharded ? shard : OptimizerShard.WHOLE);
        adamW = new AdamW(
                parameters,
                new AdamW.Coefficients((float) train.beta1(), (float) train.beta2(), (float) train.weightDecay()),
                device,
                memory.arena());
        gpt = new Gpt(parameters, shape, Gpt.Mode.TRAINING, sdpa, memory);
        share = RankShare.of(train.microBatches(), allReduce.rank(), allReduce.worldSize(), train.seed());
        sum = GradientSum.of(train.reduction(), memory, parameters.gradients(), gpt.lossSum(), share);
        if (sharded) {
            ZeroExchange sharding = shardExchange(nccl);
            shards = Optional.of(sharding);
            exchange = sharding;
        } else {
            shards = Optional.empty();
            exchange = exchange(nccl);
        }
    }

    private ZeroExchange shardExchange(Optional<NcclCommunicator> nccl) {
        return nccl.isPresent()
                ? new NcclZeroExchange(nccl.get(), memory.device(), parameters, allReduce.rank() == 0)
                : hostExchange();
    }

    private GradientExchange exchange(Optional<NcclCommunicator> nccl) {
        if (nccl.isEmpty()) {
            return hostExchange();
        }
        return rounds()
                ? NcclGradientExchange.rounded(nccl.get(), parameters, memory)
                : NcclGradientExchange.whole(nccl.get(), parameters);
    }

    private HostGradientExchange hostExchange() {
        Optional<GradientResidual> residual = rounds() && allReduce.worldSize() > 1
                ? Optional.of(new GradientResidual(memory, parameters))
                : Optional.empty();
        return new HostGradientExchange(memory, allReduce, parameters, sum, residual);
    }

    private boolean rounds() {
        return config.cluster().compression() == Compression.BF16;
    }

    /**
     * With compression the step before a checkpoint settles what rounding owes, so that no checkpoint need hold it, and
     * training from one goes on as if it had not stopped, on any number of ranks.
     */
    private Rounding rounding(long step) {
        if (!rounds()) {
            return Rounding.NONE;
        }
        long done = step + 1;
        boolean checkpoint = done % config.checkpoint().interval() == 0;
        return checkpoint || done == config.train().maxSteps() ? Rounding.SETTLED : Rounding.BF16;
    }

    /** A training step over this replica; the caller closes it. */
    public TrainStep step(boolean compile) {
        TrainSection train = config.train();
        Device device = memory.device();
        GradientClip clip = new GradientClip(device.ops(), (float) train.gradClip());
        return new TrainStep(
                new TrainStep.Parts(
                        device,
                        gpt,
                        parameters,
                        adamW,
                        shards.isPresent()
                                ? new ZeroUpdate(clip, adamW, shards.get())
                                : new WholeUpdate(clip, adamW, parameters.gradients()),
                        new CosineSchedule(
                                (float) train.lr(), (float) train.minLr(), train.warmupSteps(), train.lrDecaySteps()),
                        sum,
                        exchange,
                        this::rounding,
                        compile),
                share);
    }

    /** Is the optimizer's state sharded? */
    boolean sharded() {
        return shards.isPresent();
    }

    /**
     * The state for a checkpoint, on rank 0; where it is sharded all ranks call it together.
     *
     * @param everywhere also on the other ranks, unless it is sharded
     */
    Optional<Snapshot> snapshot(boolean everywhere) {
        boolean here = allReduce.rank() == 0 || (everywhere && !sharded());
        Optional<float[]> weights = collect(parameters.master(), here);
        Optional<float[]> first = collect(adamW.firstMoments(), here);
        Optional<float[]> second = collect(adamW.secondMoments(), here);
        if (sharded()) {
            // A rank that leaves after its last step would break off what rank 0 still collects.
            allReduce.barrier();
        }
        return weights.map(all -> new Snapshot(all, first.orElseThrow(), second.orElseThrow()));
    }

    private Optional<float[]> collect(Tensor tensor, boolean here) {
        boolean whole = tensor.count() == parameters.count();
        if (!whole) {
            return shards.orElseThrow().collect(tensor);
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
        gpt.forward();
        gpt.backward(bucket -> {});
        memory.device().synchronize();
    }

    /** The model over the same weights for evaluation, without dropout, in micro-batches of the same shape. */
    public Gpt inference() {
        return new Gpt(parameters, shape, Gpt.Mode.INFERENCE, sdpa, memory);
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
