package dev.kindling.train;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.attention.Sdpa;
import dev.kindling.device.Device;
import dev.kindling.device.StepInputs;
import dev.kindling.device.cuda.NcclCommunicator;
import dev.kindling.nn.BatchShape;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.Parameters;
import dev.kindling.nn.Parameters.Range;
import dev.kindling.optim.AdamW;
import dev.kindling.optim.CosineSchedule;
import dev.kindling.optim.GradientClip;
import dev.kindling.tensor.Tensor;
import java.util.Optional;

/**
 * A rank's copy of a configuration's model and what trains it: weights, gradients, optimizer state and the activations
 * of one micro-batch, all from one arena. Weights are unset until they are initialised or loaded.
 */
final class Replica {
    /**
     * What the model reads.
     *
     * @param vocabulary number of ids
     * @param shape of the micro-batches
     */
    record Inputs(int vocabulary, BatchShape shape) {}

    private final TrainConfig config;
    private final AllReduce allReduce;
    private final Optional<NcclCommunicator> nccl;
    private final Gpt.DeviceMemory memory;
    private final Sdpa sdpa;
    private final Parameters parameters;
    private final Optional<Slices> slices;
    private final AdamW adamW;
    private final BatchShape shape;
    private final Gpt gpt;
    private final TrainStep.Share share;

    /**
     * A replica for windows, as the configuration has them.
     *
     * @param allReduce sums the gradients of all ranks' replicas, where no {@code nccl} does
     * @throws UnsupportedOperationException if {@code cluster.attention} cannot run on the device
     */
    Replica(
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
    Replica(
            TrainConfig config,
            Inputs inputs,
            AllReduce allReduce,
            Optional<NcclCommunicator> nccl,
            Gpt.DeviceMemory memory) {
        this.config = config;
        shape = inputs.shape();
        this.allReduce = allReduce;
        this.nccl = nccl;
        this.memory = memory;
        TrainSection train = config.train();
        Device device = memory.device();
        sdpa = new Sdpa(
                device,
                memory.arena(),
                Sdpa.allowedBy(config.cluster().attention().name()));
        parameters = new Parameters(Model.of(config.model(), inputs.vocabulary()), device, memory.arena(), true);
        boolean sliced = train.zero() == 1 && allReduce.worldSize() > 1;
        slices =
                sliced ? Optional.of(Slices.of(parameters, allReduce.rank(), allReduce.worldSize())) : Optional.empty();
        adamW = new AdamW(
                parameters,
                slices.map(Slices::own).orElse(parameters.all()),
                new AdamW.Coefficients((float) train.beta1(), (float) train.beta2(), (float) train.weightDecay()),
                device,
                memory.arena());
        gpt = new Gpt(parameters, shape, Gpt.Mode.TRAINING, sdpa, memory);
        share = TrainStep.Share.of(train.microBatches(), allReduce.rank(), allReduce.worldSize(), train.seed());
    }

    /** A training step over this replica; the caller closes it. */
    TrainStep step(boolean compile) {
        TrainSection train = config.train();
        GradientSum sum = GradientSum.of(train.reduction(), memory, parameters.gradients(), gpt.lossSum(), share);
        GradientExchange exchange = exchange(sum);
        return new TrainStep(
                new TrainStep.Parts(
                        memory.device(),
                        gpt,
                        parameters,
                        adamW,
                        update(exchange),
                        new CosineSchedule(
                                (float) train.lr(), (float) train.minLr(), train.warmupSteps(), train.lrDecaySteps()),
                        sum,
                        exchange,
                        compile),
                share);
    }

    private GradientExchange exchange(GradientSum sum) {
        if (nccl.isPresent()) {
            return new NcclGradientExchange(nccl.get(), parameters);
        }
        return new HostGradientExchange(memory.device(), allReduce, parameters, sum, slices);
    }

    private WeightUpdate update(GradientExchange exchange) {
        GradientClip clip =
                new GradientClip(memory.device().ops(), (float) config.train().gradClip());
        Tensor gradients = parameters.gradients();
        Range own = adamW.slice();
        return slices.isEmpty()
                ? new WholeUpdate(clip, adamW, gradients)
                : new SlicedUpdate(clip, adamW, gradients.slice(0, own.offset(), own.length()), allReduce, exchange);
    }

    /** Is the optimizer's state sharded? */
    boolean sliced() {
        return slices.isPresent();
    }

    /** The optimizer's state for a checkpoint, on rank 0; all ranks call it together. */
    Optional<Moments> moments() {
        return Moments.collect(adamW, memory.device(), allReduce, parameters, slices);
    }

    /**
     * Runs forward and backward of a micro-batch on this rank alone, so that all memory that a step takes is taken. The
     * weights must be set.
     */
    void rehearse() {
        int[] tokens = new int[shape.rows()];
        memory.device().setStep(new StepInputs(share.seed(), 0, 0, 1, 1, 1));
        gpt.load(tokens, tokens);
        gpt.forward();
        gpt.backward(bucket -> {});
        memory.device().synchronize();
    }

    /** The model over the same weights for evaluation, without dropout, in micro-batches of the same shape. */
    Gpt inference() {
        return new Gpt(parameters, shape, Gpt.Mode.INFERENCE, sdpa, memory);
    }

    Sdpa sdpa() {
        return sdpa;
    }

    Parameters parameters() {
        return parameters;
    }

    AdamW adamW() {
        return adamW;
    }

    /** This rank's part of every step. */
    TrainStep.Share share() {
        return share;
    }
}
