package dev.kindling.device;

import dev.kindling.tensor.Tensor;
import java.util.Locale;

/**
 * c = a b^T + bias, or c += a b^T with {@code accumulate}, of FP8 matrices a (M, K), b (N, K) and their scales; c (M, N) in
 * the activation type or F32. M, N and K are multiples of 16.
 *
 * @param bias (N) in the type of c, or null; not together with accumulate
 * @param fast sums may stay in the tensor cores' own accumulators, of about 14 bits, all along: enough for activations
 */
public record Fp8Matmul(
        Fp8Matrix.Operand a, Fp8Matrix.Operand b, Tensor c, Tensor bias, boolean accumulate, boolean fast) {
    public Fp8Matmul {
        Tensor left = a.values();
        Tensor right = b.values();
        if (left.size(1) != right.size(1) || left.size(0) != c.size(0) || right.size(0) != c.size(1)) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT, "shapes do not multiply: %s x the transpose of %s -> %s", left, right, c));
        }
        if (bias != null && (accumulate || bias.count() != c.size(1))) {
            throw new IllegalArgumentException(String.format(Locale.ROOT, "bias %s does not fit %s", bias, c));
        }
    }
}
