package dev.kindling.device;

import dev.kindling.tensor.Tensor;
import java.util.Locale;

/**
 * c = alpha a b + bias, or c += alpha a b with {@code accumulate}; fp32 accumulation. a (..., M, K), b (..., K, N), c
 * (..., M, N), of rank 2, or of rank 4 (B, H, ...) for a batch. Transposed operands are transposed views: of the last
 * two dimensions of each operand one must have stride 1 (of c, the last).
 *
 * @param bias (N) or null; not together with accumulate
 */
public record Matmul(Tensor a, Tensor b, Tensor c, Tensor bias, float alpha, boolean accumulate) {
    public static Matmul of(Tensor a, Tensor b, Tensor c) {
        return of(a, b, c, false);
    }

    public static Matmul of(Tensor a, Tensor b, Tensor c, boolean accumulate) {
        return new Matmul(a, b, c, null, 1, accumulate);
    }

    public Matmul withBias(Tensor bias) {
        return new Matmul(a, b, c, bias, alpha, accumulate);
    }

    public Matmul {
        int r = a.shape().rank();
        if ((r != 2 && r != 4)
                || b.shape().rank() != r
                || c.shape().rank() != r
                || a.size(-1) != b.size(-2)
                || a.size(-2) != c.size(-2)
                || b.size(-1) != c.size(-1)) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "shapes do not multiply: %s x %s -> %s", a, b, c));
        }
        if (bias != null && (accumulate || bias.count() != c.size(-1))) {
            throw new IllegalArgumentException(String.format(Locale.ROOT, "bias %s does not fit %s", bias, c));
        }
    }
}
