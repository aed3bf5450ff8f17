package dev.kindling.config;

import dev.kindling.tensor.DType;

/** What AdamW's moments are kept in. */
public enum MomentType {
    FP32,
    BF16;

    public DType dtype() {
        return this == BF16 ? DType.BF16 : DType.F32;
    }
}
