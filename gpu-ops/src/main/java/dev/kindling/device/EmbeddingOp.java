package dev.kindling.device;

import dev.kindling.tensor.Tensor;
import java.util.Locale;

/**
 * y = dropout(tokenTable[tokens] + positionTable[positions]).
 *
 * @param tokens (N) I32
 * @param positions (N) I32
 * @param tokenTable (V, C) activation type
 * @param positionTable (T, C) activation type
 * @param period if not 0, the positions are known to be 0 .. period - 1 again and again, which makes backward cheaper
 */
public record EmbeddingOp(
        Tensor tokens, Tensor positions, Tensor tokenTable, Tensor positionTable, Dropout dropout, int period) {

    public EmbeddingOp {
        if (period < 0 || (period > 0 && (period > positionTable.size(0) || tokens.count() % period != 0))) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT, "%s cannot repeat the first %d rows of %s", positions, period, positionTable));
        }
    }
}
