package dev.kindling.device.cpu.matmul;

import java.util.function.IntUnaryOperator;

/**
 * Where the matrices of each product of a batch start: offsets in floats, which replace those of the call that the
 * batch repeats. The products must write disjoint parts of C.
 */
public record MatmulBatch(int count, IntUnaryOperator aOffset, IntUnaryOperator bOffset, IntUnaryOperator cOffset) {}
