package dev.kindling.nn;

import dev.kindling.attention.Sdpa;
import dev.kindling.device.AttentionInputs;
import dev.kindling.device.Device;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.GradientBuffer;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.IntConsumer;

/**
 * GPT-2 as nanoGPT builds it, for micro-batches of one shape: embedding, blocks, layernorm, tied head. A step is
 *
 * <pre>{@code
 * gpt.load(inputs, targets);
 * gpt.forward();
 * gpt.backward(false, bucket -> allReduce.submit(bucket));
 * }</pre>
 *
 * <p>{@link #forward}, {@link #evaluate} and {@link #backward} only enqueue work on fixed tensors, so they can be captured.
 */
public final class Gpt {
    /**
     * How a {@link Gpt} is used. Training keeps what backward needs; inference reuses the activations of one layer for
     * all.
     */
    public enum Mode {
        TRAINING,
        INFERENCE
    }

    private final Device device;
    private final Parameters parameters;
    private final BatchShape shape;
    private final Sdpa sdpa;
    private final Workspace workspace;
    private final AttentionInputs.Sequences sequences;
    private final Tensor tokens;
    private final Tensor positions;
    private final Tensor targets;
    private final Tensor lossSum;
    private final Tensor residual;
    private final Embedding embedding;
    private final List<Block> blocks = new ArrayList<>();
    private final LayerNorm lastNorm;
    private final Head head;
    private final Fp8State fp8;

    /** Builds the model over {@code parameters} on their device, with activations from {@code arena}. */
    public Gpt(Parameters parameters, BatchShape shape, Mode mode, Sdpa sdpa, DeviceArena memory) {
        this(parameters, shape, Use.of(mode), sdpa, memory);
    }

    /** Builds a model for training. */
    public Gpt(Parameters parameters, BatchShape shape, Training training, Sdpa sdpa, DeviceArena memory) {
        this(parameters, shape, new Use(training, null), sdpa, memory);
    }

    /**
     * How a model trains.
     *
     * @param fp8Head whether the classifier's products are in FP8, too, on a device of that precision
     */
    public record Training(Activations activations, boolean fp8Head) {}

    /**
     * What a model is for.
     *
     * @param training null for inference
     * @param cache with one, the model takes one token per sequence and call
     */
    record Use(Training training, KvCache cache) {
        static Use of(Mode mode) {
            return new Use(mode == Mode.TRAINING ? new Training(Activations.WHOLE, false) : null, null);
        }

        private Activations activations() {
            return training == null ? null : training.activations();
        }

        static Use decoding(KvCache cache) {
            return new Use(null, cache);
        }
    }

    Gpt(Parameters parameters, BatchShape shape, Use use, Sdpa sdpa, DeviceArena memory) {
        this(
                parameters,
                use.training() == null ? parameters.config().withoutDropout() : parameters.config(),
                shape,
                use.cache(),
                sdpa,
                new Workspace(memory.device(), memory.arena(), shape.rows(), use.activations()),
                use.training() == null
                        ? null
                        : Fp8State.of(parameters, shape, use.training().fp8Head(), memory));
    }

    private Gpt(
            Parameters parameters,
            GptConfig config,
            BatchShape shape,
            KvCache cache,
            Sdpa sdpa,
            Workspace workspace,
            Fp8State fp8) {
        this.device = workspace.device();
        this.parameters = parameters;
        this.shape = shape;
        this.sdpa = sdpa;
        this.workspace = workspace;
        this.fp8 = fp8;
        if (shape.length() > config.blockSize()) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "sequences of %d tokens are longer than block_size %d",
                    shape.length(),
                    config.blockSize()));
        }
        Shape rows = Shape.of(shape.rows());
        tokens = workspace.tensor("tokens", DType.I32, rows);
        positions = workspace.tensor("positions", DType.I32, rows);
        targets = workspace.tensor("targets", DType.I32, rows);
        lossSum = workspace.tensor("loss", DType.F32, Shape.of(1));
        sequences = shape.packed() ? workspace.sequences(shape) : null;
        BlockContext context =
                new BlockContext(config, parameters, device, sdpa, shape, sequences, cache, fp8, workspace);
        residual = workspace.input("embedding", "residual", config.width());
        embedding = new Embedding(context, tokens, positions);
        Tensor stream = residual;
        Branch pending = null;
        for (int i = 0; i < config.layers(); i++) {
            Block block = new Block(context, i, stream, pending);
            blocks.add(block);
            stream = block.residual();
            pending = block.branch();
        }
        lastNorm = new LayerNorm(context, "ln_f", stream, pending, LayerNorm.Place.LAST);
        head = new Head(context, targets);
        if (!shape.packed()) {
            device.upload(shape.positions(), positions);
        }
    }

    /** Where a model's activations come from. */
    public record DeviceArena(Device device, Arena arena) {}

    /**
     * The same model without dropout and FP8, for {@link #evaluate}, in the same memory: of the two, one at a time may be
     * between loading a micro-batch and the end of its work.
     */
    public Gpt evaluation() {
        GptConfig config = parameters.config();
        if (config.dropout() == 0 && fp8 == null) {
            return this;
        }
        Workspace own = fp8 == null ? workspace : workspace.evaluating();
        return new Gpt(parameters, config.withoutDropout(), shape, null, sdpa, own, null);
    }

    public BatchShape shape() {
        return shape;
    }

    /**
     * Uploads a dense micro-batch.
     *
     * @param inputs (B, T) token ids
     * @param next (B, T) target ids; a target of -1 adds nothing to the loss
     */
    public void load(int[] inputs, int[] next) {
        if (shape.packed()) {
            throw new IllegalStateException("this model takes packed sequences; use loadPacked");
        }
        device.upload(inputs, tokens);
        device.upload(next, targets);
    }

    /**
     * Uploads packed documents, rows = B * T tokens in all.
     *
     * @param inputs (rows) token ids
     * @param next (rows) target ids; a target of -1 adds nothing to the loss
     * @param documentPositions (rows) each token's position in its document
     * @param cumulative where each document begins, ascending from 0, and rows at the end; at most {@link
     *     BatchShape#packedSequences} documents
     */
    public void loadPacked(int[] inputs, int[] next, int[] documentPositions, int[] cumulative) {
        if (!shape.packed() || cumulative.length > shape.packedSequences() + 1) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "%d documents do not fit a batch packed for %d",
                    cumulative.length - 1,
                    shape.packedSequences()));
        }
        int[] padded = Arrays.copyOf(cumulative, shape.packedSequences() + 1);
        Arrays.fill(padded, cumulative.length, padded.length, cumulative[cumulative.length - 1]);
        device.upload(inputs, tokens);
        device.upload(next, targets);
        device.upload(documentPositions, positions);
        device.upload(padded, sequences.cumulative());
    }

    /** Uploads one token per sequence (B), all at {@code position}; for a model with a cache. */
    void load(int[] inputs, int position) {
        int[] all = new int[inputs.length];
        Arrays.fill(all, position);
        device.upload(inputs, tokens);
        device.upload(all, positions);
    }

    /** What training in FP8 keeps beside the weights; empty in other precisions. */
    public Optional<Fp8State> fp8() {
        return Optional.ofNullable(fp8);
    }

    /** Call before the first {@link #forward} of a training step, with its weights: FP8 rounds them here. */
    public void beginStep() {
        if (fp8 != null) {
            fp8.beginStep();
        }
    }

    /** Call after the last {@link #backward} of a training step. */
    public void endStep() {
        if (fp8 != null) {
            fp8.endStep();
        }
    }

    /** Computes the logits of the loaded micro-batch, unless they are made in chunks: then all but them. */
    public void forward() {
        embedding.forward(residual);
        blocks.forEach(Block::forward);
        lastNorm.forward(head.input());
        head.forward(lastNorm.output());
    }

    /**
     * The logits of the last {@link #forward}, (rows, padded vocabulary).
     *
     * @throws IllegalStateException if the model makes them in chunks, see {@link Activations}
     */
    public Tensor logits() {
        return head.logits();
    }

    /** The loss of each row, (rows) F32, in nats, after {@link #evaluate} or {@link #backward}. */
    public Tensor losses() {
        return head.losses();
    }

    /** The sum of all losses since this tensor, (1) F32, was last filled with 0. */
    public Tensor lossSum() {
        return lossSum;
    }

    /** Call after {@link #forward}: computes the losses and adds their sum to {@link #lossSum}. */
    public void evaluate() {
        head.evaluate(lastNorm.output());
        device.ops().sum(losses(), lossSum);
    }

    /**
     * Call after {@link #forward}: computes the losses, their sum ({@link #lossSum} +=), and the gradients of (the current
     * step's lossScale * sum of losses). Overwrites the logits.
     *
     * @param accumulate whether to add to the parameters' gradients or to overwrite them
     * @param bucketReady called with the index of each of {@link Parameters#buckets} once all work on its gradient is enqueued
     */
    public void backward(boolean accumulate, IntConsumer bucketReady) {
        GradientBuffer gradients = parameters.gradientBuffer();
        boolean onto = gradients.begin(accumulate);
        head.backward(lastNorm.output(), lastNorm.dOutput(), onto);
        device.ops().sum(losses(), lossSum);
        lastNorm.backward();
        Tensor dBranch = lastNorm.dBranch();
        for (int bucket = 0; bucket < blocks.size(); bucket++) {
            Block block = blocks.get(blocks.size() - 1 - bucket);
            if (workspace.recompute() == Recompute.LAYER && bucket > 0) { // the last block's are still there
                block.recompute();
            }
            dBranch = block.backward(dBranch, onto);
            gradients.complete(bucket);
            bucketReady.accept(bucket);
        }
        embedding.backward(lastNorm.dResidual());
        gradients.complete(blocks.size());
        bucketReady.accept(blocks.size());
    }
}
