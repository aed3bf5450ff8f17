package dev.kindling.device;

import dev.kindling.tensor.Tensor;

/** Causal attention of whole sequences with the usual scale 1/sqrt(D). */
public final class CausalInputs {
    private CausalInputs() {}

    public static AttentionInputs of(Tensor query, Tensor key, Tensor value, Dropout dropout) {
        float scale = (float) (1 / Math.sqrt(query.size(-1)));
        return new AttentionInputs(query, key, value, null, null, true, scale, dropout);
    }
}
