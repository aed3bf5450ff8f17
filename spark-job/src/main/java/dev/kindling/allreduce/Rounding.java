package dev.kindling.allreduce;

/**
 * How values travel, and what becomes of what that takes from them (error feedback: Seide et al., Interspeech 2014;
 * Karimireddy et al., arXiv:1901.09847; for the sum as well: Tang et al., arXiv:1905.05957).
 */
public enum Rounding {
    /** In F32, whole. */
    NONE,
    /**
     * In bf16. Operands hold bf16 values, rounded by who has them; the sum, made in F32, has what earlier sums of these
     * positions lost added, and is rounded to nearest even.
     */
    BF16,
    /** In F32, with what earlier sums of these positions lost added, so that nothing is owed any more. */
    SETTLED;

    /** Of a value on the wire. */
    int bytes() {
        return this == BF16 ? Short.BYTES : Float.BYTES;
    }
}
