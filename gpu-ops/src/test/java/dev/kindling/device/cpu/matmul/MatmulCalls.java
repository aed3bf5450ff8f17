package dev.kindling.device.cpu.matmul;

/** Matrix products as the tests write them. */
public final class MatmulCalls {
    private MatmulCalls() {}

    /** C = A B. */
    public static MatmulCall product(int m, int n, int k, MatrixView a, MatrixView b, MatrixView c) {
        return new MatmulCall(m, n, k, 1f, a, b, c, false, null, 0);
    }

    /** C = alpha A B. */
    static MatmulCall scaled(float alpha, MatmulCall x) {
        return new MatmulCall(
                x.m(), x.n(), x.k(), alpha, x.a(), x.b(), x.c(), x.accumulate(), x.bias(), x.biasOffset());
    }

    /** C += A B. */
    static MatmulCall accumulating(MatmulCall x) {
        return new MatmulCall(x.m(), x.n(), x.k(), x.alpha(), x.a(), x.b(), x.c(), true, null, 0);
    }

    /** C = A B + bias, where the bias is n floats of {@code row} from {@code offset}. */
    static MatmulCall plusBias(MatmulCall x, float[] row, int offset) {
        return new MatmulCall(x.m(), x.n(), x.k(), x.alpha(), x.a(), x.b(), x.c(), false, row, offset);
    }

    /** Evenly spaced matrices: product i starts {@code i * step} after the first call's offsets. */
    static MatmulBatch strided(MatmulCall first, int count, int aStep, int bStep, int cStep) {
        int a = first.a().offset();
        int b = first.b().offset();
        int c = first.c().offset();
        return new MatmulBatch(count, i -> a + i * aStep, i -> b + i * bStep, i -> c + i * cStep);
    }
}
