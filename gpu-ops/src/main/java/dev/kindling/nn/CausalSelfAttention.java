package dev.kindling.nn;

import dev.kindling.attention.AttentionBackend;
import dev.kindling.device.AttentionInputs;
import dev.kindling.device.Fp8Matrix;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.tensor.Tensor;

/**
 * Causal self-attention (Vaswani et al., arXiv:1706.03762): q, k, v = x W_qkv + b, split into heads; y = attention(q,
 * k, v) W_proj. The projection's bias is added by the next layernorm. Heads are strided views of the (B, T, 3, H, D)
 * product, so nothing is permuted in memory.
 */
final class CausalSelfAttention implements SelfAttention {
    private final Linear qkvLinear;
    private final Linear projection;
    private final AttentionBackend backend;
    private final AttentionInputs inputs;
    private final Tensor qkv;
    private final Tensor out;
    private final Tensor outHeads;
    private final Tensor saved;
    private final Tensor dQkv;
    private final Tensor dOut;
    private final AttentionInputs.Gradients gradients;

    CausalSelfAttention(BlockContext context, String name, int dropoutSite) {
        Workspace workspace = context.workspace();
        GptConfig config = context.config();
        qkvLinear = Linear.withBias(context, name + ".c_attn");
        projection = Linear.withoutBias(context, name + ".c_proj");
        int width = config.width();
        qkv = workspace.kept(name, "qkv", 3L * width);
        out = workspace.kept(name, "out", width);
        outHeads = heads(context, out, 1, 0);
        float scale = (float) (1 / Math.sqrt(config.headDim()));
        inputs = new AttentionInputs(
                heads(context, qkv, 3, 0),
                heads(context, qkv, 3, 1),
                heads(context, qkv, 3, 2),
                null,
                context.sequences(),
                true,
                scale,
                context.dropout(dropoutSite));
        backend = context.sdpa().choose(inputs.shape());
        AttentionBackend.Saved kept = backend.saved(inputs);
        saved = workspace.kept(name, "saved", kept.dtype(), kept.shape());
        if (workspace.training()) {
            dQkv = workspace.shared("gradient of qkv", 3L * width);
            dOut = workspace.shared("gradient of attention", width);
            gradients = new AttentionInputs.Gradients(
                    heads(context, dOut, 1, 0),
                    heads(context, dQkv, 3, 0),
                    heads(context, dQkv, 3, 1),
                    heads(context, dQkv, 3, 2));
        } else {
            dQkv = null;
            dOut = null;
            gradients = null;
        }
    }

    /** A view of one of {@code parts} interleaved (rows, C) matrices: (B, H, T, D), or (1, H, rows, D) when packed. */
    private static Tensor heads(BlockContext context, Tensor rows, int parts, int part) {
        GptConfig config = context.config();
        boolean packed = context.shape().packed();
        int batch = packed ? 1 : context.shape().batch();
        int length = packed ? context.shape().rows() : context.shape().length();
        return rows.reshape(batch, length, parts, config.heads(), config.headDim())
                .select(2, part)
                .transpose(1, 2);
    }

    @Override
    public Fp8Matrix input() {
        return qkvLinear.input();
    }

    @Override
    public void forward(Tensor x, Tensor y) {
        qkvLinear.forward(x, qkv);
        backend.forward(inputs, outHeads, saved);
        projection.forward(out, y);
    }

    @Override
    public void backward(Tensor x, Tensor dy, Tensor dx, boolean accumulate) {
        projection.backward(out, dy, dOut, accumulate);
        backend.backward(inputs, outHeads, saved, gradients);
        qkvLinear.backward(x, dQkv, dx, accumulate);
    }
}
