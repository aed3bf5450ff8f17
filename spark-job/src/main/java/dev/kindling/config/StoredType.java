package dev.kindling.config;

import dev.kindling.tensor.DType;

/** What training keeps AdamW's moments, or the sums of gradients, in. */
public enum StoredType {
    FP32,
    BF16;

    public DType dtype() {
        return this == BF16 ? DType.BF16 : DType.F32;
    }
}
