package dev.kindling.nn;

import dev.kindling.device.Device;
import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Fp8Ops;
import dev.kindling.device.Precision;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * What FP8 training knows beyond the weights: the scale of each tensor that it rounds, from the largest values of past
 * steps (delayed scaling: Micikevicius et al., arXiv:2209.05433). The history of those values is state of the training run;
 * scales and rounded weights are made of it and of the weights anew for each step.
 */
public final class Fp8State {
    // What the largest value of past steps becomes at most. Scales are floating, so room for values that grow from one
    // step to
    // the next costs no precision, only the smallest numbers; of those e5m2, for gradients, has more to give.
    private static final float LIMIT_E4M3 = 448f / 2;
    private static final float LIMIT_E5M2 = 57344f / 16;
    /** Of a block: query, key and value; the projections of attention and feed-forward layer; the latter's first. */
    private static final int LINEAR_LAYERS = 4;
    /** Of a linear layer: input, weight, gradient of the output. */
    private static final int TENSORS = 3;

    private final Device device;
    private final Fp8Ops.Scales scales;
    private final float[] limits;
    private final boolean head;
    private final List<Tensor> weights = new ArrayList<>();
    private final List<Fp8Matrix> roundedWeights = new ArrayList<>();
    private int given;

    /**
     * That of a model in training; null unless the device computes in FP8.
     *
     * @param head whether the classifier is in FP8, too
     * @throws IllegalArgumentException if the model or its micro-batches are of sizes that FP8 products cannot take, or a head is
     *     to be in FP8 on a device that does not compute in it
     */
    static Fp8State of(Parameters parameters, BatchShape shape, boolean head, Gpt.DeviceArena memory) {
        if (memory.device().precision() != Precision.FP8) {
            if (head) {
                throw new IllegalArgumentException("a classifier in FP8 needs a device opened with precision FP8");
            }
            return null;
        }
        GptConfig config = parameters.config();
        if (config.width() % Fp8Ops.MULTIPLE != 0 || shape.rows() % Fp8Ops.MULTIPLE != 0) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "FP8 products take multiples of %d, and the model has width %d and micro-batches of %d tokens; change model.n_embd, train.micro_batch or model.block_size, or set train.precision to bf16",
                    Fp8Ops.MULTIPLE,
                    config.width(),
                    shape.rows()));
        }
        int layers = config.layers() * LINEAR_LAYERS + (head ? 1 : 0);
        return new Fp8State(memory, layers * TENSORS, head);
    }

    /** @param tensors how many scales there will be */
    private Fp8State(Gpt.DeviceArena memory, int tensors, boolean head) {
        device = memory.device();
        this.head = head;
        Arena arena = memory.arena();
        limits = new float[tensors];
        scales = new Fp8Ops.Scales(
                arena.allocate("FP8 scales", DType.F32, tensors),
                arena.allocate("inverse FP8 scales", DType.F32, tensors, Fp8Ops.SPACING),
                arena.allocate("FP8 maxima", DType.F32, tensors),
                arena.allocate("FP8 limits", DType.F32, tensors),
                arena.allocate("FP8 history", DType.F32, tensors, Fp8Ops.HISTORY));
        device.ops().fill(scales.history(), 0);
        device.ops().fill(scales.maximum(), 0);
    }

    /** Whether the classifier is in FP8, too. */
    boolean head() {
        return head;
    }

    /** The scale of one more tensor. */
    Fp8Matrix.Scale scale(DType type) {
        limits[given] = type == DType.E5M2 ? LIMIT_E5M2 : LIMIT_E4M3;
        device.upload(limits, scales.limit());
        int at = given++;
        return new Fp8Matrix.Scale(
                scales.scale().slice(0, at, 1),
                scales.inverse().select(1, 0).slice(0, at, 1),
                scales.maximum().slice(0, at, 1));
    }

    /** Has a weight rounded at the beginning of each step, once its scales are made. */
    void roundEachStep(Tensor weight, Fp8Matrix rounded) {
        weights.add(weight);
        roundedWeights.add(rounded);
    }

    /** Makes the step's scales and rounds the weights. Before the first forward pass of a training step. */
    void beginStep() {
        device.ops().fp8().beginStep(scales);
        device.ops().fp8().quantize(weights, roundedWeights);
    }

    /**
     * The largest values of the step so far, (n) F32. Where several ranks train together, the largest of all of them belong
     * here before {@link Gpt#endStep}, so that all have the same scales.
     */
    public Tensor maxima() {
        return scales.maximum();
    }

    /** The largest values of the last steps, (n, {@link Fp8Ops#HISTORY}) F32: what a run resumes with. */
    public Tensor history() {
        return scales.history();
    }

    /** Takes the step's largest values into the history. After the last backward pass of a training step. */
    void endStep() {
        device.ops().fp8().endStep(scales);
    }
}
