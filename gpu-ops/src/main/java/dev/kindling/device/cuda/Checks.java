package dev.kindling.device.cuda;

import dev.kindling.device.Dropout;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;

/** What kernels take for granted; the errors name the tensors. */
public final class Checks {
    private Checks() {}

    /** Null is dense. */
    public static void dense(Tensor... tensors) {
        for (Tensor tensor : tensors) {
            if (tensor != null && !tensor.isDense()) {
                throw new IllegalArgumentException("%s is not dense; copy it first".formatted(tensor));
            }
        }
    }

    /** Null has every type. */
    static void type(DType wanted, Tensor... tensors) {
        for (Tensor tensor : tensors) {
            if (tensor != null && tensor.dtype() != wanted) {
                throw new IllegalArgumentException("%s is not %s".formatted(tensor, wanted));
            }
        }
    }

    static void sameCount(Tensor a, Tensor b) {
        if (a.count() != b.count()) {
            throw new IllegalArgumentException("%s and %s differ in size".formatted(a, b));
        }
    }

    /** The rows of x (N, C). */
    static int rows(Tensor x, int channels) {
        if (channels == 0 || x.count() % channels != 0) {
            throw new IllegalArgumentException("%s has no rows of %d".formatted(x, channels));
        }
        return Math.toIntExact(x.count() / channels);
    }

    /** Null fits. */
    static void count(long wanted, Tensor... tensors) {
        for (Tensor tensor : tensors) {
            if (tensor != null && tensor.count() != wanted) {
                throw new IllegalArgumentException("%s has not %,d elements".formatted(tensor, wanted));
            }
        }
    }

    /** The threshold, then the site, as kernels take them; a threshold of 0 switches dropout off. */
    static LaunchArguments dropout(LaunchArguments arguments, Dropout dropout) {
        return arguments.add(dropout.threshold()).add(dropout.site());
    }
}
