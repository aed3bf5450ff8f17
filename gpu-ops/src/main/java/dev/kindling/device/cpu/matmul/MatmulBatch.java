package dev.kindling.device.cpu.matmul;

import java.util.function.IntUnaryOperator;

/**
 * Where the matrices of each product of a batch start: offsets in floats, which replace those of the call that the
 * batch repeats. The products must write disjoint parts of C.
 */
public record MatmulBatch(int count, IntUnaryOperator aOffset, IntUnaryOperator bOffset, IntUnaryOperator cOffset) {

    /** Evenly spaced matrices: product i starts {@code i * step} after the first call's offsets. */
    public static MatmulBatch strided(MatmulCall first, int count, int aStep, int bStep, int cStep) {
        int a = first.a().offset();
        int b = first.b().offset();
        int c = first.c().offset();
        return new MatmulBatch(count, i -> a + i * aStep, i -> b + i * bStep, i -> c + i * cStep);
    }
}
