package dev.kindling.nn;

import dev.kindling.attention.AttentionBackend;
import dev.kindling.device.AttentionInputs;
import dev.kindling.device.Dropout;
import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Ops;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;

/**
 * Attention of one new token per sequence, (B, C) rows, to all earlier ones, whose keys and values are in a {@link
 * KvCache}. It adds the new token's to the cache. Inference only.
 */
final class CachedSelfAttention implements SelfAttention {
    private final Ops ops;
    private final DenseLinear qkvLinear;
    private final DenseLinear projection;
    private final KvCache cache;
    private final AttentionBackend backend;
    private final Tensor keys;
    private final Tensor values;
    private final Tensor qkv;
    private final Tensor out;
    private final Tensor saved;
    private final GptConfig config;
    private final int batch;

    CachedSelfAttention(BlockContext context, String name, int layer) {
        ops = context.ops();
        config = context.config();
        batch = context.shape().batch();
        cache = context.cache();
        keys = cache.keys(layer);
        values = cache.values(layer);
        qkvLinear = DenseLinear.withBias(ops, context.parameters(), name + ".c_attn");
        projection = DenseLinear.withoutBias(ops, context.parameters(), name + ".c_proj");
        Workspace workspace = context.workspace();
        qkv = workspace.shared("qkv", 3L * config.width());
        out = workspace.shared("out", config.width());
        AttentionInputs longest = inputs(cache.capacity());
        backend = context.sdpa().choose(longest.shape());
        AttentionBackend.Saved largest = backend.saved(longest);
        saved = workspace.kept(name, "saved", largest.dtype(), largest.shape());
    }

    private AttentionInputs inputs(int length) {
        return new AttentionInputs(
                part(0),
                keys.slice(2, 0, length),
                values.slice(2, 0, length),
                null,
                null,
                true,
                (float) (1 / Math.sqrt(config.headDim())),
                Dropout.NONE);
    }

    /** Query, key or value of the new tokens, (B, H, 1, D). */
    private Tensor part(int index) {
        return qkv.reshape(batch, 1, 3, config.heads(), config.headDim())
                .select(2, index)
                .transpose(1, 2);
    }

    @Override
    public Fp8Matrix input() {
        return null;
    }

    @Override
    public void forward(Tensor x, Tensor y) {
        int position = cache.length();
        qkvLinear.forward(x, qkv);
        ops.copy(part(1), keys.slice(2, position, 1));
        ops.copy(part(2), values.slice(2, position, 1));
        AttentionInputs inputs = inputs(position + 1);
        Shape kept = backend.saved(inputs).shape();
        Tensor heads = out.reshape(batch, 1, config.heads(), config.headDim()).transpose(1, 2);
        backend.forward(inputs, heads, Tensor.dense(saved.buffer(), saved.offset(), kept));
        projection.forward(out, y);
    }

    @Override
    public void backward(Tensor x, Tensor dy, Tensor dx, boolean accumulate) {
        throw new UnsupportedOperationException("attention against a cache has no backward; train without a cache");
    }
}
