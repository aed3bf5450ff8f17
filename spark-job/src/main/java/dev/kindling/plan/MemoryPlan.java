package dev.kindling.plan;

import dev.kindling.allreduce.SumOrder;
import dev.kindling.config.ClusterSection.Compression;
import dev.kindling.config.StoredType;
import dev.kindling.config.TrainSection.Reduction;
import dev.kindling.device.Dropout;
import dev.kindling.nn.Activations;
import dev.kindling.nn.BatchShape;
import dev.kindling.nn.Recompute;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.GradientBuffer;
import dev.kindling.nn.parameter.Parameters;

/**
 * Bytes of device memory that a rank takes while it trains. With N weights, rows = B T, C channels and L layers:
 *
 * @param weights N in the activation type and, where that is not F32, the F32 originals of those that the rank updates
 * @param gradients 4 N, or in bf16 2 N and F32 of one block's and the last bucket's; sums of older micro-batches ({@code train.reduction: tree}), and what compression keeps
 * @param moments of the weights that the rank updates: two values each
 * @param activations of a micro-batch, kept for backward or overwritten by each layer in turn: see {@link Recompute}
 * @param head rows x padded vocabulary of logits, or as many rows as are made at a time
 * @param workspace of kernels and libraries
 */
public record MemoryPlan(long weights, long gradients, long moments, long activations, long head, long workspace) {
    private static final long CUBLAS_WORKSPACE = 32L << 20;
    private static final int CUDA_VOCABULARY_MULTIPLE = 64;

    /** The plan of a rank that holds its activations so. */
    public static MemoryPlan of(PlannedRank rank, Activations activations) {
        long count = weightCount(rank);
        long own = rank.sharded() ? rank.parts() * ((count + rank.ranks() - 1) / rank.ranks()) : count;
        long rows = rank.shape().rows();
        long headRows = activations.headRows() == 0 ? rows : Math.min(rows, activations.headRows());
        int bytes = rank.activationBytes();
        return new MemoryPlan(
                bytes * count + (bytes == 4 ? 0 : 4 * own),
                gradientBytes(rank, count) + olderSums(rank, count) + residuals(rank, count, own),
                2L * rank.config().train().moments().dtype().bytes() * own,
                activationBytes(rank, activations.recompute()),
                headRows * paddedVocabulary(rank) * bytes + losses(rank) + fp8HeadBytes(rank),
                workspaceBytes(rank));
    }

    /** How many weights a checkpoint of the rank's model holds. */
    static long weightCount(PlannedRank rank) {
        return Parameters.count(rank.model())
                + (long) (paddedVocabulary(rank) - rank.vocabulary())
                        * rank.model().width();
    }

    public long total() {
        return weights + gradients + moments + activations + head + workspace;
    }

    /** What does not depend on the micro-batch. */
    long state() {
        return weights + gradients + moments;
    }

    /** One of each row, and one of each micro-batch of the step. */
    private static long losses(PlannedRank rank) {
        return 4L * rank.shape().rows() + 4L * rank.config().train().microBatches();
    }

    private static int paddedVocabulary(PlannedRank rank) {
        int multiple = rank.cuda() ? CUDA_VOCABULARY_MULTIPLE : 1;
        return (rank.vocabulary() + multiple - 1) / multiple * multiple;
    }

    /** The sums and, beside those in bf16, what a backward pass adds to: see {@link GradientBuffer}. */
    private static long gradientBytes(PlannedRank rank, long count) {
        if (rank.config().train().gradients() == StoredType.FP32) {
            return 4 * count;
        }
        long width = rank.model().width();
        long block = 12 * width * width;
        long last = count - block * rank.model().layers();
        return 2 * count + 4 * (block + last);
    }

    /** The most gradients of older micro-batches that wait for their place in the sum. */
    private static long olderSums(PlannedRank rank, long count) {
        if (rank.config().train().reduction() == Reduction.RANK) {
            return 0;
        }
        int microBatches = rank.config().train().microBatches();
        int end = SumOrder.firstLeaf(microBatches, 1, rank.ranks());
        long held = 0;
        long most = 0;
        for (int joins : SumOrder.joinsWithin(microBatches, 0, end)) {
            most = Math.max(most, held);
            held += 1 - joins;
        }
        return 4 * most * count;
    }

    /** Error feedback of gradients that travel in bf16: of what each rank sends and, over NCCL, of the sums it makes. */
    private static long residuals(PlannedRank rank, long count, long own) {
        boolean compressed = rank.config().cluster().compression() == Compression.BF16 && rank.ranks() > 1;
        return compressed ? 4 * count + (rank.cuda() ? 4 * own : 0) : 0;
    }

    /** The activations, as {@code nn} allocates them. */
    private static long activationBytes(PlannedRank rank, Recompute recompute) {
        GptConfig model = rank.model();
        long rows = rank.shape().rows();
        int layers = model.layers();
        int kept = recompute == Recompute.LAYER ? 1 : layers; // sets of a layer's own activations
        long residuals = layers + 1L + kept; // into each layer and the last layernorm; in the middle of each
        long norms = 2L * kept + 1;
        long normsKept = !rank.fp8() ? norms : rank.fp8Head() ? 1 : 2; // in FP8: evaluation's; and the last one's
        long attention = 4L * kept; // query, key, value, output
        int geluKept = recompute == Recompute.GELU ? 1 : kept;
        long hidden = 4L * kept + 4L * (rank.fp8() ? 1 : geluKept); // in FP8 GELU's results are kept in that alone
        // Two branches; gradients of attention, the stream and, unless in FP8, hidden.
        long overwritten = (dropout(model) ? 9L : 8) + (rank.fp8() ? 0 : 4);
        long values = rows * model.width() * (residuals + normsKept + attention + hidden + overwritten);
        long statistics = 4 * rows * 2 * norms;
        long inputs = 4 * (3 * rows + 1 + (rank.shape().packed() ? rank.shape().packedSequences() + 1L : 0));
        long fp8 = rank.fp8() ? fp8Bytes(model, rows, 3L * kept + 4L * geluKept) : 0;
        return values * rank.activationBytes() + statistics + inputs + kept * savedByAttention(rank) + fp8;
    }

    /**
     * What FP8 holds beside, a byte each: inputs of products, transposed, for backward; the inputs and, both ways, the
     * gradients of the layer at work; the weights of the blocks both ways.
     */
    private static long fp8Bytes(GptConfig model, long rows, long keptChannels) {
        long width = model.width();
        long inputs = 1 + 4;
        long gradients = 2 * (1 + 3 + 4);
        return rows * width * (keptChannels + inputs + gradients) + 2 * 12 * width * width * model.layers();
    }

    /** The classifier's in FP8, both ways: table and gradient of a slice of logits; and its input, transposed. */
    private static long fp8HeadBytes(PlannedRank rank) {
        long padded = paddedVocabulary(rank);
        long width = rank.model().width();
        long rows = rank.shape().rows();
        return rank.fp8Head() ? 2 * padded * (width + Math.min(rows, Activations.HEAD_SLICE)) + rows * width : 0;
    }

    private static boolean dropout(GptConfig model) {
        return new Dropout(model.dropout(), 0).active();
    }

    /**
     * The log-sum-exp of each row and head, and with dropout FLASH's bit a score where Hopper's kernels save it; MATH: all
     * probabilities, and the dropped ones.
     */
    private static long savedByAttention(PlannedRank rank) {
        GptConfig model = rank.model();
        if (!rank.keepsProbabilities()) {
            return 4L * rank.shape().rows() * model.heads() + keptScores(rank);
        }
        long plane = (scores(rank) + 15) / 16 * 16;
        return plane * (dropout(model) ? 2 : 1) * rank.activationBytes();
    }

    /** 64 bits for each row and 64 keys, up to 256 MiB. */
    private static long keptScores(PlannedRank rank) {
        GptConfig model = rank.model();
        int length = rank.shape().length();
        long rows = rank.shape().packed()
                ? (rank.shape().rows() + 128L * (rank.shape().packedSequences() + 1) + 127) / 128 * 128
                : rank.shape().batch() * ((length + 127L) / 128 * 128);
        long bytes = 8L * model.heads() * rows * ((length + 63) / 64);
        boolean saved = rank.cuda() && rank.activationBytes() == 2 && dropout(model) && model.headDim() <= 64;
        return saved && bytes <= 256L << 20 ? bytes : 0;
    }

    /** Of every query against every key, (B, H, T, T); packed: (1, H, rows, rows). */
    private static long scores(PlannedRank rank) {
        BatchShape shape = rank.shape();
        long length = shape.packed() ? shape.rows() : shape.length();
        return (shape.packed() ? 1L : shape.batch()) * rank.model().heads() * length * length;
    }

    private static long workspaceBytes(PlannedRank rank) {
        long math = rank.keepsProbabilities() ? scores(rank) * rank.activationBytes() : 0;
        return math + (rank.cuda() ? CUBLAS_WORKSPACE + scratch(rank) : 0);
    }

    /**
     * What kernels share: tokens sorted for the gradient of their table, or attention's row statistics and sums of the query
     * gradient, which some of its kernels need.
     */
    private static long scratch(PlannedRank rank) {
        long rows = rank.shape().rows();
        long chunks = (rows + 1023) / 1024;
        long embedding = 4 * (2 * rows + (chunks + 3) * paddedVocabulary(rank));
        long attention = rows * (8L * rank.model().heads() + 4L * rank.model().width());
        return Math.max(embedding, attention);
    }
}
