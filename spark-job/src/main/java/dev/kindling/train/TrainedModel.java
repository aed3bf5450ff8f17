package dev.kindling.train;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.attention.Sdpa;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection;
import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.device.TensorReader;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.KernelForecast;
import dev.kindling.exchange.HeldParts;
import dev.kindling.exchange.StateHandover;
import dev.kindling.model.FlatValues;
import dev.kindling.model.GptConfigs;
import dev.kindling.model.HostRoom;
import dev.kindling.model.Snapshot;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.OptimizerShard;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.optim.AdamW;
import dev.kindling.plan.MemoryFit;
import dev.kindling.plan.PlannedRank;
import dev.kindling.tensor.DeviceMemoryException;
import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * A configuration's model on a device and what trains it: weights, gradients, optimizer state and the activations of one
 * micro-batch, all from one arena. It may outlive the ranks that train it, and knows after which step its weights and
 * moments are. Weights are unset until they are initialised or loaded.
 */
final class TrainedModel {
    private static final long UNKNOWN = -1;

    private final MemoryFit fit;
    private final Replica.ModelInputs inputs;
    private final OptimizerShard shard;
    private final Gpt.DeviceArena memory;
    private final Sdpa sdpa;
    private final Parameters parameters;
    private final AdamW adamW;
    private final Gpt gpt;
    private Gpt evaluation;
    /** The number of steps whose updates are enqueued as a whole; unknown while one is being enqueued. */
    private long steps = UNKNOWN;

    /**
     * Allocates everything on the device.
     *
     * @param shard the part of the weights that this model updates
     * @param worldSize of the ranks that train it first
     * @throws DeviceMemoryException if that does not fit; it says what would
     * @throws UnsupportedOperationException if {@code cluster.attention} cannot run on the device
     */
    static TrainedModel allocate(
            TrainConfig config,
            Replica.ModelInputs inputs,
            OptimizerShard shard,
            int worldSize,
            Gpt.DeviceArena memory) {
        MemoryFit fit = fit(config, inputs, worldSize, memory.device());
        fit.require();
        try {
            return new TrainedModel(config, inputs, shard, fit, memory);
        } catch (DeviceMemoryException e) {
            throw afterAll(e, fit, memory.device());
        }
    }

    private TrainedModel(
            TrainConfig config,
            Replica.ModelInputs inputs,
            OptimizerShard shard,
            MemoryFit fit,
            Gpt.DeviceArena memory) {
        this.inputs = inputs;
        this.shard = shard;
        this.memory = memory;
        this.fit = fit;
        TrainSection train = config.train();
        sdpa = new Sdpa(
                memory.device(), memory.arena(), config.cluster().attention().kinds());
        parameters = new Parameters(
                GptConfigs.of(config.model(), inputs.vocabulary()),
                memory.device(),
                memory.arena(),
                train.gradients().dtype(),
                shard);
        if (memory.device() instanceof CudaDevice gpu) {
            gpu.compileAhead(forecast(config, parameters));
        }
        adamW = new AdamW(
                parameters,
                new AdamW.Coefficients((float) train.beta1(), (float) train.beta2(), (float) train.weightDecay()),
                train.moments().dtype(),
                memory.device(),
                memory.arena());
        Gpt.Training training = new Gpt.Training(fit.activations(), train.fp8Head());
        gpt = new Gpt(parameters, inputs.shape(), training, sdpa, memory);
    }

    private KernelForecast forecast(TrainConfig config, Parameters parameters) {
        GptConfig gpt = parameters.config();
        return new KernelForecast(
                memory.device().activationType(),
                gpt.width(),
                gpt.headDim(),
                gpt.blockSize(),
                gpt.vocabulary(),
                parameters.paddedVocabulary(),
                gpt.dropout() > 0,
                gpt.activation() == Gelu.Form.TANH,
                config.train().moments().dtype(),
                config.train().gradients().dtype());
    }

    private static MemoryFit fit(TrainConfig config, Replica.ModelInputs inputs, int worldSize, Device device) {
        boolean cuda = device.kind() == Device.Kind.CUDA;
        long total = device.memory().total();
        return new MemoryFit(
                new PlannedRank(config, inputs.vocabulary(), inputs.shape(), cuda, worldSize),
                cuda
                        ? MemoryFit.Available.ofGpu(device.description(), total)
                        : MemoryFit.Available.ofHeap(total, HostRoom.ofThisTask()));
    }

    private static DeviceMemoryException afterAll(DeviceMemoryException met, MemoryFit fit, Device device) {
        boolean cuda = device.kind() == Device.Kind.CUDA;
        return fit.afterAll(
                met,
                cuda ? OptionalLong.of(device.allocatedBytes() + device.memory().free()) : OptionalLong.empty());
    }

    /** A shortage that this model's training has met in spite of its plan, with what would leave enough. */
    DeviceMemoryException afterAll(DeviceMemoryException met) {
        return afterAll(met, fit, memory.device());
    }

    /** What it takes of the device's memory, and what there is. */
    MemoryFit fit() {
        return fit;
    }

    /** From now on weights and moments are those of no step, until {@link #changed}. */
    void changing() {
        steps = UNKNOWN;
    }

    /** Weights and moments are, or on a GPU will be when the device is done, those after so many steps. */
    void changed(long done) {
        steps = done;
    }

    /** After how many steps weights and moments are; empty in the middle of an update. Waits for the device. */
    OptionalLong settled() {
        memory.device().synchronize();
        return steps == UNKNOWN ? OptionalLong.empty() : OptionalLong.of(steps);
    }

    /**
     * Brings the weights and moments after {@code step} to all ranks; all of them call it together.
     *
     * @param holders the ranks that have them, ascending
     */
    void handOver(StateHandover handover, List<Integer> holders, boolean holds, long step) {
        if (!holds) {
            changing();
        }
        Tensor master = parameters.master();
        Tensor working = parameters.working();
        handover.run(holders, working == master ? List.of(master) : List.of(master, working));
        handover.run(holders, List.of(adamW.firstMoments()));
        handover.run(holders, List.of(adamW.secondMoments()));
        gpt.fp8().ifPresent(fp8 -> handover.run(holders, List.of(fp8.history())));
        changed(step);
    }

    /** Copies what this rank keeps of a sharded state to the host. */
    HeldParts parts() {
        return new HeldParts(memory.device(), shard, new HeldParts.State(parameters, adamW, fp8History()));
    }

    /**
     * Brings a sharded state after {@code step} to all ranks; all of them call it together.
     *
     * @param held by this process
     * @param holders of each part
     */
    void handOver(HeldParts held, AllReduce allReduce, List<List<Integer>> holders, long step) {
        changing();
        fp8History(held.handOver(allReduce, holders, parameters, adamW));
        changed(step);
    }

    /** Weights and moments as they are, for as long as no step changes them: of {@link Parameters#kept}. */
    Snapshot snapshot(TensorReader reader) {
        return new Snapshot(
                new KeptFloats(parameters::master, reader),
                new KeptFloats(range -> kept(adamW.firstMoments(), range), reader),
                new KeptFloats(range -> kept(adamW.secondMoments(), range), reader));
    }

    private Tensor kept(Tensor moments, Range range) {
        return moments.slice(0, parameters.kept().offset(range), range.length());
    }

    /** Values of the weights that this rank updates. */
    private record KeptFloats(Function<Range, Tensor> tensors, TensorReader reader) implements FlatValues {
        @Override
        public void read(long offset, FloatBuffer to) {
            reader.read(tensors.apply(new Range(offset, to.remaining())), to);
        }

        @Override
        public void close() {}
    }

    /** The history that FP8 makes its scales from, for a checkpoint; empty in other precisions. */
    List<Float> fp8History() {
        return gpt.fp8()
                .map(fp8 -> {
                    float[] history = new float[Math.toIntExact(fp8.history().count())];
                    memory.device().download(fp8.history(), history);
                    return IntStream.range(0, history.length)
                            .mapToObj(i -> history[i])
                            .toList();
                })
                .orElse(List.of());
    }

    /** Goes on with a checkpoint's history; one without it, of another precision, begins a history, as a new run does. */
    void fp8History(List<Float> history) {
        gpt.fp8().ifPresent(fp8 -> {
            float[] values = new float[Math.toIntExact(fp8.history().count())];
            for (int i = 0; i < Math.min(values.length, history.size()); i++) {
                values[i] = history.get(i);
            }
            memory.device().upload(values, fp8.history());
        });
    }

    /** Whether it is what a generation with these inputs and this shard trains. */
    boolean fits(Replica.ModelInputs others, OptimizerShard otherShard) {
        return inputs.equals(others) && shard.equals(otherShard);
    }

    Replica.ModelInputs inputs() {
        return inputs;
    }

    OptimizerShard shard() {
        return shard;
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

    Gpt gpt() {
        return gpt;
    }

    /** For evaluation: without dropout, in the same memory as for training, which waits meanwhile. */
    Gpt evaluation() {
        if (evaluation == null) {
            evaluation = gpt.evaluation();
        }
        return evaluation;
    }
}
