package dev.kindling.device.cpu.matmul;

/**
 * One matrix product: C = alpha A B + addend, where A is m x k, B k x n and C m x n (as the views present them). The
 * addend is C itself ({@code accumulate}, write mode +=), a bias row added to every row of C, or nothing (both: write
 * mode =, C is not read). C must not share memory with A or B.
 *
 * @param bias n floats from {@code biasOffset}, or null
 */
public record MatmulCall(
        int m,
        int n,
        int k,
        float alpha,
        MatrixView a,
        MatrixView b,
        MatrixView c,
        boolean accumulate,
        float[] bias,
        int biasOffset) {

    public MatmulCall {
        if (m < 0 || n < 0 || k < 0) {
            throw new IllegalArgumentException("A matrix product of " + m + " x " + n + " x " + k + " has no meaning");
        }
        if (c.transposed()) {
            throw new IllegalArgumentException("C is written as it is stored; swap and transpose A and B instead");
        }
        if (accumulate && bias != null) {
            throw new IllegalArgumentException("A product either accumulates or adds a bias; do the second separately");
        }
        if (bias != null && (biasOffset < 0 || (long) biasOffset + n > bias.length)) {
            throw new IllegalArgumentException(
                    "The bias needs " + n + " floats at " + biasOffset + " but its array has " + bias.length);
        }
        a.requireHolds("A", m, k);
        b.requireHolds("B", k, n);
        c.requireHolds("C", m, n);
    }

    /** The same product on other places of the same arrays. */
    MatmulCall at(int aOffset, int bOffset, int cOffset) {
        return new MatmulCall(
                m, n, k, alpha, a.at(aOffset), b.at(bOffset), c.at(cOffset), accumulate, bias, biasOffset);
    }

    boolean isEmpty() {
        return m == 0 || n == 0;
    }
}
