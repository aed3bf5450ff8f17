package dev.kindling.device.cpu;

import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;

/** Checks of an op's tensors, with messages that name them. */
final class CpuArguments {
    private CpuArguments() {}

    /** Throws unless the tensor is dense, of this type and of this many elements. */
    static void require(String role, Tensor tensor, DType dtype, long count) {
        if (tensor.dtype() != dtype || tensor.count() != count || !tensor.isDense()) {
            throw new IllegalArgumentException(
                    "%s is %s but must be dense %s of %,d elements".formatted(role, tensor, dtype, count));
        }
    }

    static void requireFloats(String role, Tensor tensor, long count) {
        require(role, tensor, DType.F32, count);
    }

    static void requireOptional(String role, Tensor tensor, long count) {
        if (tensor != null) {
            require(role, tensor, DType.F32, count);
        }
    }

    static void requireSameShape(Tensor first, Tensor second) {
        if (!first.shape().equals(second.shape())) {
            throw new IllegalArgumentException("%s and %s must have the same shape".formatted(first, second));
        }
    }

    static void requireShape(String role, Tensor tensor, DType dtype, long... extents) {
        if (tensor.dtype() != dtype || !tensor.shape().equals(Shape.of(extents))) {
            throw new IllegalArgumentException(
                    "%s is %s but must be %s%s".formatted(role, tensor, dtype, Shape.of(extents)));
        }
    }

    /** Rows of a tensor (..., C). */
    static int rows(Tensor tensor) {
        int width = tensor.size(-1);
        return width == 0 ? 0 : Math.toIntExact(tensor.count() / width);
    }
}
