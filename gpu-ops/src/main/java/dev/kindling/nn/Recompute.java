package dev.kindling.nn;

/**
 * Which activations training does not keep from forward to backward, and backward computes again. All give the same bits:
 * what is computed again comes from the same inputs by the same ops, dropout from the same counters.
 *
 * <p>A row of a layer keeps 16 C activations: the residual stream twice, two layernorms, query, key and value, attention,
 * and the hidden layer before and after GELU (4 C each).
 */
public enum Recompute {
    /** Nothing: 16 C are kept. */
    NONE,
    /** GELU, from its input: 12 C are kept, for one more pass over the hidden layer. */
    GELU,
    /**
     * The whole layer, from the residual stream that enters it: C is kept, for one more forward pass of all layers but the
     * last. (Chen et al., arXiv:1604.06174. llm.c's third level computes GELU and layernorms again, and keeps 10 C.)
     */
    LAYER
}
