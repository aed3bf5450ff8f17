package dev.kindling.device.cuda;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.FusedAttention;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * FlashAttention-2 on tensor cores, arXiv:2307.08691: flash_forward*.cu and flash_backward*.cu.
 *
 * <p>GPUs of compute capability 9.0 run the wgmma kernels for head dimension 32, 64 and, without dropout, 128, up to 64 one of
 * two for the backward pass by the mean length of the sequences ({@link #hopperFile}); everything else runs the mma.sync kernels. Both draw the same dropout. With dropout the wgmma forward pass saves one bit for each score, is
 * it kept, which the wgmma backward pass reads; where that would take more than {@value #MOST_KEPT_BYTES} bytes, backward runs
 * on mma.sync and draws again.
 */
final class CudaFlashAttention implements FusedAttention {
    private static final List<Integer> HEAD_DIMS = List.of(32, 64, 80, 96, 128, 256);
    private static final int WIDEST = 256;
    private static final int MOST_BLOCKS = 65535;
    private static final int ROWS = 128;
    private static final long MOST_KEPT_BYTES = 256L << 20;
    /** Queries of a sequence from which on five products a tile beat seven: on one H200 they are even at 1024. */
    private static final long LONG = 2048;

    private final CudaContext context;
    private final CudaElementwise elementwise;
    private final boolean wgmma;

    /** @param wgmma may the wgmma kernels be taken where the GPU has them? */
    CudaFlashAttention(CudaContext context, CudaElementwise elementwise, boolean wgmma) {
        this.context = context;
        this.elementwise = elementwise;
        this.wgmma = wgmma && context.info().compute() == 90;
    }

    @Override
    public Optional<String> whyNot(AttentionShape shape) {
        int d = shape.headDim();
        if (context.info().compute() < 80) {
            return Optional.of(String.format(
                    Locale.ROOT,
                    "compute capability %d.%d < 8.0",
                    context.info().compute() / 10,
                    context.info().compute() % 10));
        }
        if (shape.dtype() != DType.BF16 && shape.dtype() != DType.F16) {
            return Optional.of(String.format(Locale.ROOT, "dtype %s is not BF16 or F16", shape.dtype()));
        }
        if (d > WIDEST) {
            return Optional.of(String.format(Locale.ROOT, "head dimension %d > %d", d, WIDEST));
        }
        if (!HEAD_DIMS.contains(d)) {
            return Optional.of(String.format(Locale.ROOT, "head dimension %d is not one of %s", d, HEAD_DIMS));
        }
        if (shape.batch() > MOST_BLOCKS || shape.heads() > MOST_BLOCKS) {
            return Optional.of(
                    String.format(Locale.ROOT, "batch %d or heads %d > %d", shape.batch(), shape.heads(), MOST_BLOCKS));
        }
        return FusedAttention.whyNotFlash(shape);
    }

    @Override
    public Shape saved(AttentionInputs inputs) {
        return FlashSaved.shape(inputs, keptBytes(inputs));
    }

    @Override
    public void forward(AttentionInputs inputs, Tensor out, Tensor saved) {
        AttentionShape shape = check(inputs, out, saved);
        FlashSaved parts = FlashSaved.of(inputs, saved);
        CudaModule module = module("flash_forward", inputs, wgmma);
        context.scratch(AlignedViews.bytes(inputs.query(), inputs.key(), inputs.value(), out));
        AlignedViews views = new AlignedViews(context, elementwise, 0);
        pack(
                new FusedAttentionArguments(views.in(inputs), views.out(out), parts.logSumExp(), null),
                new BackwardScratch(shape, statsRows(inputs), 0, false, 0, 0),
                parts.keptScores(),
                0);
        int rows = module.number("flash_attention_forward_rows");
        context.launch(
                module.kernel("flash_attention_forward"),
                new Grid(
                        tiles(shape.queryLength(), rows),
                        shape.heads(),
                        shape.batch(),
                        module.number("flash_attention_forward_threads"),
                        1,
                        module.number("flash_attention_forward_shared")));
        views.finish();
    }

    @Override
    public void backward(AttentionInputs inputs, Tensor out, Tensor saved, AttentionInputs.Gradients gradients) {
        AttentionShape shape = check(inputs, out, saved);
        FlashSaved parts = FlashSaved.of(inputs, saved);
        boolean hopper = wgmma && (!inputs.dropout().active() || parts.keptScores() != 0);
        CudaModule module = module("flash_backward", inputs, hopper);
        BackwardScratch work = hopper && narrow(shape) && meanLength(inputs) < LONG
                ? withoutSums(inputs, module)
                : workspace(inputs, module);
        AttentionInputs.Gradients g = gradients;
        long copies = AlignedViews.bytes(
                inputs.query(), inputs.key(), inputs.value(), out, g.dOut(), g.dQuery(), g.dKey(), g.dValue());
        long scratch = context.scratch(work.bytes() + copies);
        AlignedViews views = new AlignedViews(context, elementwise, work.bytes());
        pack(
                new FusedAttentionArguments(views.in(inputs), views.in(out), parts.logSumExp(), views.gradients(g)),
                work,
                parts.keptScores(),
                scratch);
        int heads = shape.heads();
        int batch = shape.batch();
        context.launch(
                module.kernel("flash_attention_backward_rows_sum"),
                new Grid(tiles(shape.queryLength(), ROWS), heads, batch, 256, 1, 0));
        context.launch(module.kernel("flash_attention_backward"), backwardGrid(module, work));
        if (work.sums()) {
            int rowTiles = tiles(shape.queryLength(), module.number("flash_attention_backward_rows"));
            context.launch(module.kernel("flash_attention_backward_sum"), new Grid(rowTiles, heads, batch, 256, 1, 0));
        }
        views.finish();
    }

    private static Grid backwardGrid(CudaModule module, BackwardScratch work) {
        AttentionShape shape = work.shape();
        int threads = module.number("flash_attention_backward_threads");
        int shared = module.number("flash_attention_backward_shared");
        return work.persistent()
                ? new Grid(work.blocks(), 1, 1, threads, 1, shared)
                : new Grid(work.blocks(), shape.heads(), shape.batch(), threads, 1, shared);
    }

    /**
     * The scratch memory of a backward pass: row statistics, and partial sums of the query gradient.
     *
     * @param splits partial sums of a head's query gradient; 0: the kernel sums none in memory
     * @param persistent do the blocks take the tiles of all heads until none is left, and write the query gradient themselves?
     * @param blocks thread blocks of a head; of all heads if persistent
     * @param countBytes of the counts behind one partial sum, if the blocks add to it in turns
     */
    private record BackwardScratch(
            AttentionShape shape, long statsRows, int splits, boolean persistent, int blocks, long countBytes) {
        /** Are the partial sums a kernel's of their own? */
        boolean sums() {
            return !persistent && (splits > 1 || countBytes > 0);
        }

        long partialAt() {
            return CudaMemory.aligned(8L * shape.heads() * statsRows);
        }

        long bytes() {
            return partialAt()
                    + CudaMemory.aligned(4L * splits * shape.heads() * statsRows * tileDepth(shape) + countBytes);
        }
    }

    /** A function of the GPU and the shape alone, and so are the results. */
    private BackwardScratch workspace(AttentionInputs inputs, CudaModule module) {
        AttentionShape shape = inputs.shape();
        long rows = statsRows(inputs);
        int keys = module.number("flash_attention_backward_keys");
        int tiles = Math.max(1, tiles(shape.keyLength(), keys));
        if (module.number("flash_attention_backward_turns") == 1) {
            long counts = shape.heads() * (rows / module.number("flash_attention_backward_rows") + shape.batch());
            boolean persistent = module.number("flash_attention_backward_persistent") == 1;
            int blocks = persistent
                    ? (int) Math.min(
                            (long) tiles * shape.heads() * shape.batch(),
                            context.info().multiprocessors())
                    : tiles;
            return new BackwardScratch(shape, rows, 1, persistent, blocks, 4 * counts);
        }
        int columnBlocks = shape.headDim() > 128 ? 2 : 1;
        int splits = splits(shape.batch() * shape.heads() * columnBlocks, tiles);
        return new BackwardScratch(shape, rows, splits, false, splits * columnBlocks, 0);
    }

    /** For the kernel that sums no gradient in memory: each block has a tile of keys or a tile of rows. */
    private BackwardScratch withoutSums(AttentionInputs inputs, CudaModule module) {
        AttentionShape shape = inputs.shape();
        int keys = module.number("flash_attention_backward_keys");
        int blocks = tiles(shape.keyLength(), keys) + tiles(shape.queryLength(), keys);
        return new BackwardScratch(shape, statsRows(inputs), 0, false, blocks, 0);
    }

    private static long statsRows(AttentionInputs inputs) {
        AttentionShape shape = inputs.shape();
        if (inputs.sequences() == null) {
            return (long) shape.batch() * tiles(shape.queryLength(), ROWS) * ROWS;
        }
        long total = inputs.query().size(2) + (long) ROWS * (shape.batch() + 1);
        return (total + ROWS - 1) / ROWS * ROWS;
    }

    /** Bytes of the kept scores under dropout: two 32-bit words for each row and 64 keys. 0: none are saved. */
    private long keptBytes(AttentionInputs inputs) {
        AttentionShape shape = inputs.shape();
        if (!wgmma || !narrow(shape) || !inputs.dropout().active()) {
            return 0;
        }
        long bytes = 8L * shape.heads() * statsRows(inputs) * tiles(shape.keyLength(), 64);
        return bytes <= MOST_KEPT_BYTES ? bytes : 0;
    }

    private static long meanLength(AttentionInputs inputs) {
        return inputs.sequences() == null
                ? inputs.query().size(2)
                : inputs.query().size(2) / inputs.sequences().count();
    }

    private static boolean narrow(AttentionShape shape) {
        return shape.headDim() <= 64;
    }

    /** The columns of a tile in shared memory: the head dimension, padded to a power of two. */
    private static int tileDepth(AttentionShape shape) {
        return Integer.highestOneBit(2 * shape.headDim() - 1);
    }

    private static int tiles(int length, int tile) {
        return (length + tile - 1) / tile;
    }

    /**
     * The number of splits that finishes first, out of at most as many as give every multiprocessor a block: heads x splits
     * blocks run in rounds of one block a multiprocessor, and a round takes 1 / splits of the time.
     */
    private int splits(int heads, int tiles) {
        int processors = context.info().multiprocessors();
        int best = 1;
        for (int splits = 2; splits <= Math.min(tiles, (processors + heads - 1) / heads); splits++) {
            long rounds = ((long) heads * splits + processors - 1) / processors;
            long bestRounds = ((long) heads * best + processors - 1) / processors;
            if (rounds * best < bestRounds * splits) {
                best = splits;
            }
        }
        return best;
    }

    /** Fills struct FlashAttention. */
    private void pack(FusedAttentionArguments call, BackwardScratch work, long keptScores, long scratch) {
        AttentionInputs.Sequences sequences = call.inputs().sequences();
        long cumulative = sequences == null ? 0 : CudaBuffer.address(sequences.cumulative());
        Tensor logSumExp = call.logSumExp();
        StructValue struct = context.arguments()
                .struct(KernelStructs.FLASH_ATTENTION)
                .set("stats", scratch)
                .set("partial", scratch + work.partialAt())
                .set("kept", keptScores)
                .set("cuQ", cumulative)
                .set("cuK", cumulative)
                .set("lseAt", new long[] {logSumExp.stride(0), logSumExp.stride(1), 1})
                .set("statsRows", Math.toIntExact(work.statsRows()))
                .set("splits", work.splits());
        call.fill(struct, context.state());
    }

    private CudaModule module(String stem, AttentionInputs inputs, boolean hopper) {
        AttentionShape shape = inputs.shape();
        boolean drops = inputs.dropout().active();
        return context.module(
                hopper ? hopperFile(stem, shape.headDim(), drops, meanLength(inputs)) : stem,
                shape.dtype(),
                "HEAD_DIM",
                shape.headDim(),
                "CAUSAL",
                shape.causal() ? 1 : 0,
                "DROPOUT",
                drops ? 1 : 0);
    }

    /**
     * The kernel file that compute capability 9.0 takes.
     *
     * @param stem flash_forward or flash_backward
     * @param length the mean number of queries of a sequence
     */
    static String hopperFile(String stem, int headDim, boolean drops, long length) {
        if (headDim <= 64) {
            return stem + (stem.equals("flash_backward") && length >= LONG ? "_hopper_long" : "_hopper");
        }
        return headDim == 128 && !drops ? stem + "_hopper_128" : stem;
    }

    private AttentionShape check(AttentionInputs inputs, Tensor out, Tensor saved) {
        AttentionShape shape = inputs.shape();
        whyNot(shape).ifPresent(reason -> {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "flash attention cannot take %s: %s", shape, reason));
        });
        TensorChecks.type(shape.dtype(), inputs.key(), inputs.value(), out);
        TensorChecks.type(DType.F32, saved);
        TensorChecks.dense(saved);
        TensorChecks.count(saved(inputs).count(), saved);
        TensorChecks.contiguousRows(inputs.query(), inputs.key(), inputs.value(), out);
        return shape;
    }
}
