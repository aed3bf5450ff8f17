package dev.kindling.interop;

/** What the weights of an exported model are written as. */
public enum WeightType {
    /** IEEE 754's binary32. */
    F32,
    /** The upper half of F32. */
    BF16,
    /** IEEE 754's binary16. */
    F16,
    /** ggml's blocks of 32 weights: a scale d in F16, then 32 signed bytes q; a weight is d q. */
    Q8_0
}
