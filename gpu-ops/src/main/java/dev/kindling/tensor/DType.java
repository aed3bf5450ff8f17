package dev.kindling.tensor;

/** Element types of a {@link Tensor}; {@code bytes} is the size of one element. */
public enum DType {
    F32(4),
    BF16(2),
    F16(2),
    /** 8 bits: 4 of exponent, 3 of fraction, up to 448. */
    E4M3(1),
    /** 8 bits: 5 of exponent, 2 of fraction, up to 57344. */
    E5M2(1),
    I32(4),
    /** One byte per truth value: 0 is false, anything else true. */
    BOOL(1);

    private final int bytes;

    DType(int bytes) {
        this.bytes = bytes;
    }

    public int bytes() {
        return bytes;
    }
}
