package dev.kindling.device.cuda;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.FusedAttention;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * flash_forward*.cu and flash_backward*.cu: FlashAttention-2 on tensor cores, arXiv:2307.08691. On compute
 * capability 9.0 the wgmma kernels run, dense or packed, but with dropout only the forward pass of head dimensions 32 and 64;
 * all else takes the mma.sync kernels. Both draw the same dropout.
 */
final class CudaFlashAttention implements FusedAttention {
    private static final int STRUCT_BYTES = 368;
    private static final int MOST_BLOCKS = 65535;
    private static final int ROWS = 128;

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
            return Optional.of("compute capability %d.%d < 8.0"
                    .formatted(context.info().compute() / 10, context.info().compute() % 10));
        }
        if (shape.dtype() != DType.BF16 && shape.dtype() != DType.F16) {
            return Optional.of("dtype %s is not BF16 or F16".formatted(shape.dtype()));
        }
        if (d > 128) {
            return Optional.of("head dimension %d > 128".formatted(d));
        }
        if (d != 32 && d != 64 && d != 128) {
            return Optional.of("head dimension %d is not 32, 64 or 128".formatted(d));
        }
        if (shape.valueDim() != d) {
            return Optional.of("value dimension %d != head dimension %d".formatted(shape.valueDim(), d));
        }
        if (shape.mask() != AttentionShape.MaskKind.NONE) {
            return Optional.of("mask %s is not NONE or causal".formatted(shape.mask()));
        }
        if (shape.batch() > MOST_BLOCKS || shape.heads() > MOST_BLOCKS) {
            return Optional.of("batch %d or heads %d > %d".formatted(shape.batch(), shape.heads(), MOST_BLOCKS));
        }
        return Optional.empty();
    }

    @Override
    public void forward(AttentionInputs inputs, Tensor out, Tensor logSumExp) {
        AttentionShape shape = check(inputs, out, logSumExp);
        CudaModule module = module("flash_forward", inputs, wgmma);
        context.scratch(AlignedViews.bytes(inputs.query(), inputs.key(), inputs.value(), out));
        AlignedViews views = new AlignedViews(context, elementwise, 0);
        pack(new Call(views.in(inputs), views.out(out), logSumExp, null), 0, 0, new Workspace(0, 1, 1, 0));
        int rows = module.number("flash_attention_forward_rows");
        context.launch(
                module.kernel("flash_attention_forward"),
                new Grid(
                        (shape.queryLength() + rows - 1) / rows,
                        shape.heads(),
                        shape.batch(),
                        module.number("flash_attention_forward_threads"),
                        1,
                        module.number("flash_attention_forward_shared")));
        views.finish();
    }

    @Override
    public void backward(AttentionInputs inputs, Tensor out, Tensor logSumExp, AttentionInputs.Gradients gradients) {
        AttentionShape shape = check(inputs, out, logSumExp);
        CudaModule module =
                module("flash_backward", inputs, wgmma && !inputs.dropout().active());
        Workspace work = workspace(inputs, shape, module);
        long statsBytes = (8L * shape.heads() * work.statsRows() + 255) / 256 * 256;
        long partialBytes = 4L * work.splits() * shape.heads() * work.statsRows() * shape.headDim() + work.countBytes();
        partialBytes = (partialBytes + 255) / 256 * 256;
        AttentionInputs.Gradients g = gradients;
        long copies = AlignedViews.bytes(
                inputs.query(), inputs.key(), inputs.value(), out, g.dOut(), g.dQuery(), g.dKey(), g.dValue());
        long stats = context.scratch(statsBytes + partialBytes + copies);
        AlignedViews views = new AlignedViews(context, elementwise, statsBytes + partialBytes);
        Call call = new Call(views.in(inputs), views.in(out), logSumExp, views.gradients(g));
        int heads = shape.heads();
        int batch = shape.batch();
        pack(call, stats, stats + statsBytes, work);
        context.launch(
                module.kernel("flash_attention_backward_rows_sum"),
                new Grid((shape.queryLength() + ROWS - 1) / ROWS, heads, batch, 256, 1, 0));
        int threads = module.number("flash_attention_backward_threads");
        int shared = module.number("flash_attention_backward_shared");
        context.launch(
                module.kernel("flash_attention_backward"), new Grid(work.blocks(), heads, batch, threads, 1, shared));
        if (work.blocks() > 1 || work.countBytes() > 0) {
            int rows = module.number("flash_attention_backward_rows");
            context.launch(
                    module.kernel("flash_attention_backward_sum"),
                    new Grid((shape.queryLength() + rows - 1) / rows, heads, batch, 256, 1, 0));
        }
        views.finish();
    }

    private record Call(AttentionInputs inputs, Tensor out, Tensor logSumExp, AttentionInputs.Gradients gradients) {}

    /**
     * @param splits partial sums of a head's query gradient
     * @param blocks thread blocks that share a head's key tiles
     * @param countBytes of the counts behind one partial sum, if the blocks add to it in turns
     */
    private record Workspace(long statsRows, int splits, int blocks, long countBytes) {}

    /** A function of the GPU and the shape alone, and so are the results. */
    private Workspace workspace(AttentionInputs inputs, AttentionShape shape, CudaModule module) {
        long rows;
        if (inputs.sequences() == null) {
            rows = (long) shape.batch() * ((shape.queryLength() + ROWS - 1L) / ROWS * ROWS);
        } else {
            long total = inputs.query().size(2) + (long) ROWS * (shape.batch() + 1);
            rows = (total + ROWS - 1) / ROWS * ROWS;
        }
        int keys = module.number("flash_attention_backward_keys");
        int tiles = Math.max(1, (shape.keyLength() + keys - 1) / keys);
        int heads = shape.batch() * shape.heads();
        if (module.number("flash_attention_backward_turns") == 1) {
            long counts = shape.heads() * (rows / module.number("flash_attention_backward_rows") + shape.batch());
            return new Workspace(rows, 1, tiles, 4 * counts);
        }
        int splits = splits(heads, tiles);
        return new Workspace(rows, splits, splits, 0);
    }

    /** Of at most enough splits to give every multiprocessor a block, those whose blocks are done first. */
    private int splits(int heads, int tiles) {
        int processors = context.info().multiprocessors();
        int best = 1;
        for (int splits = 2; splits <= Math.min(tiles, (processors + heads - 1) / heads); splits++) {
            long rounds = (heads * splits + processors - 1) / processors;
            long bestRounds = (heads * best + processors - 1) / processors;
            if (rounds * best < bestRounds * splits) {
                best = splits;
            }
        }
        return best;
    }

    /** Fills struct FlashAttention. */
    private void pack(Call call, long stats, long partial, Workspace work) {
        AttentionInputs in = call.inputs();
        AttentionInputs.Gradients g = call.gradients();
        Tensor dOut = g == null ? null : g.dOut();
        Tensor dQuery = g == null ? null : g.dQuery();
        Tensor dKey = g == null ? null : g.dKey();
        Tensor dValue = g == null ? null : g.dValue();
        ByteBuffer p = context.arguments().struct(STRUCT_BYTES);
        for (Tensor t : new Tensor[] {in.query(), in.key(), in.value(), call.out()}) {
            p.putLong(CudaContext.aligned(t));
        }
        p.putLong(CudaBuffer.address(call.logSumExp()));
        for (Tensor t : new Tensor[] {dOut, dQuery, dKey, dValue}) {
            p.putLong(CudaContext.aligned(t));
        }
        long cumulative =
                in.sequences() == null ? 0 : CudaBuffer.address(in.sequences().cumulative());
        p.putLong(stats).putLong(partial).putLong(cumulative).putLong(cumulative);
        p.putLong(context.state().address());
        for (Tensor t : new Tensor[] {in.query(), in.key(), in.value(), call.out(), dOut, dQuery, dKey, dValue}) {
            strides(p, t);
        }
        p.putLong(call.logSumExp().stride(0))
                .putLong(call.logSumExp().stride(1))
                .putLong(1);
        AttentionShape shape = in.shape();
        p.putInt(shape.batch()).putInt(shape.heads());
        p.putInt(shape.queryLength()).putInt(shape.keyLength());
        p.putInt(Math.toIntExact(work.statsRows())).putInt(work.splits());
        p.putFloat(in.scale())
                .putInt(in.dropout().threshold())
                .putInt(in.dropout().site());
    }

    private static void strides(ByteBuffer p, Tensor t) {
        for (int d = 0; d < 3; d++) {
            p.putLong(t == null ? 0 : t.stride(d));
        }
    }

    private CudaModule module(String stem, AttentionInputs inputs, boolean hopper) {
        AttentionShape shape = inputs.shape();
        boolean wide = shape.headDim() == 128;
        boolean here = hopper && !(wide && inputs.dropout().active());
        return context.module(
                here ? stem + (wide ? "_hopper_128" : "_hopper") : stem,
                shape.dtype(),
                "HEAD_DIM",
                shape.headDim(),
                "CAUSAL",
                shape.causal() ? 1 : 0,
                "DROPOUT",
                inputs.dropout().active() ? 1 : 0);
    }

    private AttentionShape check(AttentionInputs inputs, Tensor out, Tensor logSumExp) {
        AttentionShape shape = inputs.shape();
        whyNot(shape).ifPresent(reason -> {
            throw new IllegalArgumentException("flash attention cannot take %s: %s".formatted(shape, reason));
        });
        Checks.type(shape.dtype(), inputs.key(), inputs.value(), out);
        Checks.type(DType.F32, logSumExp);
        Checks.count(out.count() / shape.valueDim(), logSumExp);
        for (Tensor t : new Tensor[] {inputs.query(), inputs.key(), inputs.value(), out}) {
            if (t.stride(-1) != 1) {
                throw new IllegalArgumentException("the last dimension of %s must have stride 1".formatted(t));
            }
        }
        return shape;
    }
}
