package dev.kindling.allreduce;

/**
 * The form in which gradients are sent, and what happens to the part that rounding to bf16 loses. It is kept as a
 * residual and added to the next value at the same position (error feedback: Seide et al., Interspeech 2014;
 * Karimireddy et al., arXiv:1901.09847; for the sums as well: Tang et al., arXiv:1905.05957).
 */
public enum Rounding {
    /** F32, nothing is lost. */
    NONE,
    /**
     * bf16. The operands have been rounded by their ranks. The sum is made in F32; the residual of earlier sums at the
     * same positions is added, and the result is rounded to nearest even.
     */
    BF16,
    /**
     * F32, with the residuals of earlier sums added, which then are 0: before a checkpoint, which holds no residuals.
     */
    SETTLED;

    /** Bytes per value on the wire. */
    int bytes() {
        return this == BF16 ? Short.BYTES : Float.BYTES;
    }
}
