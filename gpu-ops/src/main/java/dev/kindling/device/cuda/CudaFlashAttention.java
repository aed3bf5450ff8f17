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
 * <p>GPUs of compute capability 9.0 run the wgmma kernels for head dimension 32, 64 and, without dropout, 128 (up to 64 one of
 * two for the backward pass, by the mean length of the sequences: {@link #hopperFile}); everything else runs the mma.sync
 * kernels. Both draw the same dropout. With dropout the wgmma forward pass saves one bit for each score, is it kept, which the
 * wgmma backward pass reads; where that would take more than {@value #MOST_KEPT_BYTES} bytes, backward runs on mma.sync and
 * draws again.
 */
final class CudaFlashAttention implements FusedAttention {
    private static final List<Integer> HEAD_DIMS = List.of(32, 64, 80, 96, 128, 256);
    private static final int WIDEST = 256;
    private static final int MOST_BLOCKS = 65535;
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
                FlashBackwardScratch.none(inputs),
                parts.keptScores(),
                0);
        int rows = module.number("flash_attention_forward_rows");
        context.launch(
                module.kernel("flash_attention_forward"),
                new Grid(
                        FlashBackwardScratch.tiles(shape.queryLength(), rows),
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
        FlashBackwardScratch work = hopper && narrow(shape) && meanLength(inputs) < LONG
                ? FlashBackwardScratch.withoutSums(inputs, module)
                : FlashBackwardScratch.of(inputs, module, context.info().multiprocessors());
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
                new Grid(
                        FlashBackwardScratch.tiles(shape.queryLength(), FlashBackwardScratch.ROWS),
                        heads,
                        batch,
                        256,
                        1,
                        0));
        context.launch(module.kernel("flash_attention_backward"), work.grid(module));
        if (work.sums()) {
            int rowTiles =
                    FlashBackwardScratch.tiles(shape.queryLength(), module.number("flash_attention_backward_rows"));
            context.launch(module.kernel("flash_attention_backward_sum"), new Grid(rowTiles, heads, batch, 256, 1, 0));
        }
        views.finish();
    }

    /** Bytes of the kept scores under dropout: two 32-bit words for each row and 64 keys. 0: none are saved. */
    private long keptBytes(AttentionInputs inputs) {
        AttentionShape shape = inputs.shape();
        if (!wgmma || !narrow(shape) || !inputs.dropout().active()) {
            return 0;
        }
        long bytes = 8L
                * shape.heads()
                * FlashBackwardScratch.statsRows(inputs)
                * FlashBackwardScratch.tiles(shape.keyLength(), 64);
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

    /** Fills struct FlashAttention. */
    private void pack(FusedAttentionArguments call, FlashBackwardScratch work, long keptScores, long scratch) {
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
