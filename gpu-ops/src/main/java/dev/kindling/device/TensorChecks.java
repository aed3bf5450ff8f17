package dev.kindling.device;

import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.Locale;

/**
 * What the operations of every device ask of their tensors. Each check throws an {@link IllegalArgumentException} that
 * names the tensor; null, a tensor that an operation goes without, passes them all.
 */
public final class TensorChecks {
    private TensorChecks() {}

    public static void dense(Tensor... tensors) {
        for (Tensor tensor : tensors) {
            if (tensor != null && !tensor.isDense()) {
                throw new IllegalArgumentException(
                        String.format(Locale.ROOT, "%s is not dense; copy it first", tensor));
            }
        }
    }

    public static void type(DType wanted, Tensor... tensors) {
        for (Tensor tensor : tensors) {
            if (tensor != null && tensor.dtype() != wanted) {
                throw new IllegalArgumentException(String.format(Locale.ROOT, "%s is not %s", tensor, wanted));
            }
        }
    }

    /** Have they {@code wanted} elements each? */
    public static void count(long wanted, Tensor... tensors) {
        for (Tensor tensor : tensors) {
            if (tensor != null && tensor.count() != wanted) {
                throw new IllegalArgumentException(
                        String.format(Locale.ROOT, "%s has not %,d elements", tensor, wanted));
            }
        }
    }

    /** Are they dense, of this type and of {@code count} elements each? */
    public static void dense(DType type, long count, Tensor... tensors) {
        dense(tensors);
        type(type, tensors);
        count(count, tensors);
    }

    public static void sameShape(Tensor first, Tensor second) {
        if (!first.shape().equals(second.shape())) {
            throw new IllegalArgumentException(String.format(Locale.ROOT, "%s and %s differ in shape", first, second));
        }
    }

    public static void shape(Tensor tensor, long... extents) {
        Shape wanted = Shape.of(extents);
        if (!tensor.shape().equals(wanted)) {
            throw new IllegalArgumentException(String.format(Locale.ROOT, "%s has not the shape %s", tensor, wanted));
        }
    }

    /** Is the last dimension's stride 1, as kernels need that load whole vectors of a row? */
    public static void contiguousRows(Tensor... tensors) {
        for (Tensor tensor : tensors) {
            if (tensor.stride(-1) != 1) {
                throw new IllegalArgumentException(
                        String.format(Locale.ROOT, "the last dimension of %s must have stride 1", tensor));
            }
        }
    }

    /** The rows of x (..., C); 0 where C is. */
    public static int rows(Tensor x) {
        return x.size(-1) == 0 ? 0 : rows(x, x.size(-1));
    }

    /** The rows of x, read as a dense matrix (N, channels). */
    public static int rows(Tensor x, int channels) {
        if (channels == 0 || x.count() % channels != 0) {
            throw new IllegalArgumentException(String.format(Locale.ROOT, "%s has no rows of %d", x, channels));
        }
        return Math.toIntExact(x.count() / channels);
    }
}
