package dev.kindling.device.cuda;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.FusedAttention;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.Locale;
import java.util.Optional;

/** efficient_forward.cu, efficient_backward.cu: what FLASH refuses, with memory linear in the length. */
final class CudaEfficientAttention implements FusedAttention {
    private static final int MOST_BLOCKS = 65535;
    private static final int TILE = 64;
    private static final int WIDEST = 128;

    private final CudaContext context;
    private final boolean tf32;
    private final CudaElementwise elementwise;

    /** @param tf32 whether F32 may round to TF32; else 3xTF32, which is nearly exact */
    CudaEfficientAttention(CudaContext context, boolean tf32, CudaElementwise elementwise) {
        this.context = context;
        this.tf32 = tf32;
        this.elementwise = elementwise;
    }

    @Override
    public Optional<String> whyNot(AttentionShape shape) {
        DType type = shape.dtype();
        if (type != DType.F32 && type != DType.BF16 && type != DType.F16) {
            return Optional.of(String.format(Locale.ROOT, "dtype %s is not F32, BF16 or F16", type));
        }
        if (shape.packed()) {
            return Optional.of("packed sequences are not dense");
        }
        int multiple = 16 / type.bytes();
        for (int width : new int[] {shape.headDim(), shape.valueDim()}) {
            String which = width == shape.headDim() ? "head" : "value";
            if (width > WIDEST) {
                return Optional.of(String.format(Locale.ROOT, "%s dimension %d > %d", which, width, WIDEST));
            }
            if (width % multiple != 0 || width == 0) {
                return Optional.of(
                        String.format(Locale.ROOT, "%s dimension %d is not a multiple of %d", which, width, multiple));
            }
        }
        if (shape.batch() > MOST_BLOCKS || shape.heads() > MOST_BLOCKS) {
            return Optional.of(
                    String.format(Locale.ROOT, "batch %d or heads %d > %d", shape.batch(), shape.heads(), MOST_BLOCKS));
        }
        return Optional.empty();
    }

    @Override
    public void forward(AttentionInputs inputs, Tensor out, Tensor logSumExp) {
        AttentionShape shape = check(inputs, out, logSumExp);
        CudaModule module = module("efficient_forward", inputs, shape);
        long own = reserve(inputs, logSumExp, inputs.query(), inputs.key(), inputs.value(), out);
        AlignedViews views = new AlignedViews(context, elementwise, own);
        pack(new FusedAttentionArguments(views.in(inputs), views.out(out), logSumExp, null));
        int shared = module.number("efficient_attention_forward_shared");
        launch(module.kernel("efficient_attention_forward"), shape, shape.queryLength(), shared);
        views.finish();
    }

    @Override
    public void backward(AttentionInputs inputs, Tensor out, Tensor logSumExp, AttentionInputs.Gradients gradients) {
        AttentionShape shape = check(inputs, out, logSumExp);
        CudaModule module = module("efficient_backward", inputs, shape);
        AttentionInputs.Gradients g = gradients;
        long own = reserve(
                inputs,
                logSumExp,
                inputs.query(),
                inputs.key(),
                inputs.value(),
                out,
                g.dOut(),
                g.dQuery(),
                g.dKey(),
                g.dValue());
        AlignedViews views = new AlignedViews(context, elementwise, own);
        pack(new FusedAttentionArguments(views.in(inputs), views.in(out), logSumExp, views.gradients(g)));
        context.launch(
                module.kernel("efficient_attention_backward_rows"),
                new Grid((shape.queryLength() + 3) / 4, shape.heads(), shape.batch(), 128, 1, 0));
        CudaKernel query = module.kernel("efficient_attention_backward_query");
        launch(query, shape, shape.queryLength(), module.number("efficient_attention_query_shared"));
        CudaKernel key = module.kernel("efficient_attention_backward_key");
        launch(key, shape, shape.keyLength(), module.number("efficient_attention_key_shared"));
        views.finish();
    }

    /** Scratch memory for delta, the converted mask, and copies of {@code views}; returns where the copies begin. */
    private long reserve(AttentionInputs inputs, Tensor logSumExp, Tensor... views) {
        long maskBytes = inputs.mask() == null ? 0 : 4 * inputs.mask().count();
        long own = deltaBytes(logSumExp) + (maskBytes + 255) / 256 * 256;
        context.scratch(own + AlignedViews.bytes(views));
        return own;
    }

    private static long deltaBytes(Tensor logSumExp) {
        return (4 * logSumExp.count() + 255) / 256 * 256;
    }

    private void launch(CudaKernel kernel, AttentionShape shape, int length, int sharedBytes) {
        context.launch(kernel, new Grid((length + TILE - 1) / TILE, shape.heads(), shape.batch(), 128, 1, sharedBytes));
    }

    /** Fills struct EfficientAttention; the scratch holds delta, then the mask where it needs another type. */
    private void pack(FusedAttentionArguments call) {
        long deltaBytes = deltaBytes(call.logSumExp());
        long delta = context.scratch(deltaBytes);
        // Before the arguments: a mask of another type is converted by a kernel that takes its own.
        Tensor mask = mask(call.inputs(), call.inputs().shape(), deltaBytes);
        StructValue struct =
                context.arguments().struct(KernelStructs.EFFICIENT_ATTENTION).set("delta", delta);
        call.fill(struct, context.state());
        CudaAttentionSoftmax.setMask(struct, mask);
    }

    /** The mask, broadcast; an additive one of another type is converted behind delta. */
    private Tensor mask(AttentionInputs in, AttentionShape shape, long deltaBytes) {
        if (in.mask() == null) {
            return null;
        }
        Tensor mask = in.mask();
        if (mask.dtype() != DType.BOOL && mask.dtype() != shape.dtype()) {
            Tensor converted = context.scratchTensor(shape.dtype(), mask.shape(), deltaBytes);
            elementwise.copy(mask, converted);
            mask = converted;
        }
        return mask.broadcast(Shape.of(shape.batch(), shape.heads(), shape.queryLength(), shape.keyLength()));
    }

    private CudaModule module(String stem, AttentionInputs inputs, AttentionShape shape) {
        return context.module(
                stem,
                shape.dtype(),
                "HEAD_DIM",
                shape.headDim(),
                "VALUE_DIM",
                shape.valueDim(),
                "CAUSAL",
                shape.causal() ? 1 : 0,
                "DROPOUT",
                inputs.dropout().active() ? 1 : 0,
                "MASK",
                CudaContext.kernelMask(shape.mask()),
                "STRICT",
                shape.dtype() == DType.F32 && !tf32 ? 1 : 0);
    }

    private AttentionShape check(AttentionInputs inputs, Tensor out, Tensor logSumExp) {
        AttentionShape shape = inputs.shape();
        whyNot(shape).ifPresent(reason -> {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "efficient attention cannot take %s: %s", shape, reason));
        });
        TensorChecks.type(shape.dtype(), inputs.key(), inputs.value(), out);
        TensorChecks.dense(logSumExp);
        TensorChecks.type(DType.F32, logSumExp);
        TensorChecks.count((long) shape.batch() * shape.heads() * shape.queryLength(), logSumExp);
        TensorChecks.contiguousRows(inputs.query(), inputs.key(), inputs.value(), out);
        return shape;
    }
}
