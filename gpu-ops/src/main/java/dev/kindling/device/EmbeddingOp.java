package dev.kindling.device;

import dev.kindling.tensor.Tensor;

/**
 * y = dropout(tokenTable[tokens] + positionTable[positions]).
 *
 * @param tokens (N) I32
 * @param positions (N) I32
 * @param tokenTable (V, C) activation type
 * @param positionTable (T, C) activation type
 */
public record EmbeddingOp(Tensor tokens, Tensor positions, Tensor tokenTable, Tensor positionTable, Dropout dropout) {}
