package dev.kindling.nn;

import dev.kindling.attention.Sdpa;
import dev.kindling.device.AttentionInputs;
import dev.kindling.device.CrossEntropy;
import dev.kindling.device.Device;
import dev.kindling.device.Matmul;
import dev.kindling.device.Ops;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.IntConsumer;

/**
 * GPT-2 as nanoGPT builds it, for micro-batches of one shape: embedding, blocks, layernorm, head tied to the token
 * embedding. A step is
 *
 * <pre>{@code
 * gpt.load(inputs, targets);
 * gpt.forward();
 * gpt.backward(bucket -> allReduce.submit(bucket));
 * }</pre>
 *
 * <p>{@link #forward}, {@link #evaluate} and {@link #backward} only enqueue device work on fixed tensors, so they can be
 * captured.
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
    private final Ops ops;
    private final Parameters parameters;
    private final BatchShape shape;
    private final AttentionInputs.Sequences sequences;
    private final Tensor tokens;
    private final Tensor positions;
    private final Tensor targets;
    private final Tensor lossSum;
    private final Tensor residual;
    private final Embedding embedding;
    private final List<Block> blocks = new ArrayList<>();
    private final LayerNorm lastNorm;
    private final CrossEntropy crossEntropy;

    /** Builds the model over {@code parameters} on their device, with activations from {@code arena}. */
    public Gpt(Parameters parameters, BatchShape shape, Mode mode, Sdpa sdpa, DeviceArena memory) {
        this(parameters, shape, new Use(mode, null), sdpa, memory);
    }

    /** What a model is for. With a cache it takes one token per sequence and call. */
    record Use(Mode mode, KvCache cache) {}

    Gpt(Parameters parameters, BatchShape shape, Use use, Sdpa sdpa, DeviceArena memory) {
        this.device = memory.device();
        this.ops = device.ops();
        this.parameters = parameters;
        this.shape = shape;
        Arena arena = memory.arena();
        boolean training = use.mode() == Mode.TRAINING;
        GptConfig config = training ? parameters.config() : parameters.config().withoutDropout();
        if (shape.length() > config.blockSize()) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "sequences of %d tokens are longer than block_size %d",
                    shape.length(),
                    config.blockSize()));
        }
        int rows = shape.rows();
        tokens = arena.allocate("tokens", DType.I32, rows);
        positions = arena.allocate("positions", DType.I32, rows);
        targets = arena.allocate("targets", DType.I32, rows);
        lossSum = arena.allocate("loss", DType.F32, 1);
        sequences = shape.packed() ? allocateSequences(arena) : null;
        Workspace workspace = new Workspace(device, arena, rows, training);
        BlockContext context =
                new BlockContext(config, parameters, device, sdpa, shape, sequences, use.cache(), workspace);
        residual = workspace.kept("embedding", "residual", config.width());
        embedding = new Embedding(context, tokens, positions);
        Tensor stream = residual;
        Branch pending = null;
        for (int i = 0; i < config.layers(); i++) {
            Block block = new Block(context, i, stream, pending);
            blocks.add(block);
            stream = block.residual();
            pending = block.branch();
        }
        lastNorm = new LayerNorm(context, "ln_f", stream, pending, true);
        Tensor logits = workspace.shared("logits", parameters.paddedVocabulary());
        crossEntropy =
                new CrossEntropy(logits, targets, config.vocabulary(), arena.allocate("losses", DType.F32, rows));
        if (!shape.packed()) {
            device.upload(densePositions(), positions);
        }
    }

    /** Where a model's activations come from. */
    public record DeviceArena(Device device, Arena arena) {}

    private AttentionInputs.Sequences allocateSequences(Arena arena) {
        Tensor cumulative = arena.allocate("cumulative lengths", DType.I32, shape.packedSequences() + 1L);
        return new AttentionInputs.Sequences(cumulative, shape.packedSequences(), shape.length());
    }

    private int[] densePositions() {
        int[] all = new int[shape.rows()];
        for (int i = 0; i < all.length; i++) {
            all[i] = i % shape.length();
        }
        return all;
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

    /** Computes the logits of the loaded micro-batch. */
    public void forward() {
        embedding.forward(residual);
        blocks.forEach(Block::forward);
        lastNorm.forward();
        ops.matmul(Matmul.of(lastNorm.output(), parameters.weight("wte.weight").transpose(0, 1), logits()));
    }

    /** The logits of the last {@link #forward}, (rows, padded vocabulary). */
    public Tensor logits() {
        return crossEntropy.logits();
    }

    /** The loss of each row, (rows) F32, in nats, after {@link #evaluate} or {@link #backward}. */
    public Tensor losses() {
        return crossEntropy.losses();
    }

    /** The sum of all losses since this tensor, (1) F32, was last filled with 0. */
    public Tensor lossSum() {
        return lossSum;
    }

    /** Call after {@link #forward}: computes the losses and adds their sum to {@link #lossSum}. */
    public void evaluate() {
        ops.crossEntropy(crossEntropy);
        ops.sum(losses(), lossSum);
    }

    /**
     * Call after {@link #forward}: computes the losses, adds their sum to {@link #lossSum}, and adds the gradients of
     * (lossScale * sum of losses) to the parameters' gradients; lossScale is that of the device's current step.
     * Overwrites the logits.
     *
     * @param bucketReady called with the index of each of {@link Parameters#buckets} as soon as the work that
     *     completes its gradient is enqueued
     */
    public void backward(IntConsumer bucketReady) {
        ops.crossEntropyWithGradient(crossEntropy);
        ops.sum(losses(), lossSum);
        Tensor dLogits = logits();
        Tensor table = parameters.weight("wte.weight");
        ops.matmul(Matmul.accumulating(dLogits.transpose(0, 1), lastNorm.output(), parameters.gradient("wte.weight")));
        ops.matmul(Matmul.of(dLogits, table, lastNorm.dOutput()));
        lastNorm.backward();
        Tensor dBranch = lastNorm.dBranch();
        for (int i = blocks.size() - 1; i >= 0; i--) {
            dBranch = blocks.get(i).backward(dBranch);
            bucketReady.accept(blocks.size() - 1 - i);
        }
        embedding.backward(lastNorm.dResidual());
        bucketReady.accept(blocks.size());
    }
}
