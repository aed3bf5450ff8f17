package dev.kindling.device;

import dev.kindling.tensor.Tensor;
import java.util.Locale;

/**
 * A matrix in FP8 (E4M3 or E5M2) beside its transpose: 8-bit products read both operands along the summed dimension, and
 * forward and backward sum over different ones.
 *
 * <p>Products take matrices whose rows lie apart by more than their length, such as {@link #slice} makes, too.
 *
 * @param values (M, K)
 * @param transposed (K, M)
 */
public record Fp8Matrix(Tensor values, Tensor transposed, Scale scale) {
    public Fp8Matrix {
        if (values.shape().rank() != 2
                || values.dtype() != transposed.dtype()
                || !transposed.transpose(0, 1).shape().equals(values.shape())) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "%s is not the transpose of %s", transposed, values));
        }
    }

    /** Rows {@code from} to {@code from + rows}, multiples of 16, with the same scale. */
    public Fp8Matrix slice(long from, long rows) {
        return new Fp8Matrix(values.slice(0, from, rows), transposed.slice(1, from, rows), scale);
    }

    /**
     * How a tensor is scaled into FP8: what is stored is value * scale.
     *
     * @param scale (1) F32
     * @param inverse (1) F32, 1 / scale
     * @param maximum (1) F32: the largest absolute value so far in this step; from those of past steps the next scale is made
     */
    public record Scale(Tensor scale, Tensor inverse, Tensor maximum) {}

    /** One operand of a product: a matrix whose rows are summed along, and 1 / scale. */
    public record Operand(Tensor values, Tensor inverseScale) {}

    /** The matrix (M, K) as an operand. */
    public Operand rows() {
        return new Operand(values, scale.inverse());
    }

    /** Its transpose (K, M) as an operand. */
    public Operand columns() {
        return new Operand(transposed, scale.inverse());
    }
}
