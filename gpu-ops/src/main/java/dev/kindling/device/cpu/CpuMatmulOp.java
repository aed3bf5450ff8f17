package dev.kindling.device.cpu;

import static dev.kindling.device.cpu.rows.CpuBuffer.floats;
import static dev.kindling.device.cpu.rows.CpuBuffer.offset;

import dev.kindling.device.Matmul;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cpu.matmul.CpuMatmul;
import dev.kindling.device.cpu.matmul.MatmulBatch;
import dev.kindling.device.cpu.matmul.MatmulCall;
import dev.kindling.device.cpu.matmul.MatrixView;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Locale;

/** Maps {@link Matmul} on strided tensors to {@link CpuMatmul} on arrays. */
final class CpuMatmulOp {
    private final CpuMatmul products;

    CpuMatmulOp(CpuMatmul products) {
        this.products = products;
    }

    void run(Matmul op) {
        Tensor a = op.a();
        Tensor b = op.b();
        Tensor c = op.c();
        MatrixView cView = view(c);
        if (cView.transposed()) {
            throw new IllegalArgumentException("the last dimension of a product's c must have stride 1: " + c);
        }
        if (op.bias() != null) {
            TensorChecks.dense(DType.F32, c.size(-1), op.bias());
        }
        MatmulCall call = new MatmulCall(
                c.size(-2),
                c.size(-1),
                a.size(-1),
                op.alpha(),
                view(a),
                view(b),
                cView,
                op.accumulate(),
                op.bias() == null ? null : floats(op.bias()),
                op.bias() == null ? 0 : offset(op.bias()));
        if (c.shape().rank() == 2) {
            products.multiply(call);
            return;
        }
        requireBatch(a, c);
        requireBatch(b, c);
        int heads = c.size(1);
        int count = c.size(0) * heads;
        if (count == 1) {
            products.multiply(call);
        } else if (count > 1) {
            MatmulBatch batch = new MatmulBatch(
                    count, i -> matrixAt(a, heads, i), i -> matrixAt(b, heads, i), i -> matrixAt(c, heads, i));
            products.multiply(call, batch);
        }
    }

    private static int matrixAt(Tensor tensor, int heads, int index) {
        return (int) (tensor.offset() + index / heads * tensor.stride(0) + index % heads * tensor.stride(1));
    }

    private static void requireBatch(Tensor operand, Tensor c) {
        if (operand.size(0) != c.size(0) || operand.size(1) != c.size(1)) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "the batches of %s and %s differ", operand, c));
        }
    }

    /** A view of the last two dimensions. Along an extent of 1 the stride has no meaning. */
    private static MatrixView view(Tensor tensor) {
        if (tensor.dtype() != DType.F32) {
            throw new IllegalArgumentException(String.format(Locale.ROOT, "%s must be F32", tensor));
        }
        int rows = tensor.size(-2);
        int columns = tensor.size(-1);
        if (columns == 1 || tensor.stride(-1) == 1) {
            int stride = rows <= 1 ? Math.max(1, columns) : Math.toIntExact(tensor.stride(-2));
            return MatrixView.of(floats(tensor), offset(tensor), stride);
        }
        if (rows == 1 || tensor.stride(-2) == 1) {
            return MatrixView.transpose(floats(tensor), offset(tensor), Math.toIntExact(tensor.stride(-1)));
        }
        throw new IllegalArgumentException(
                "of the last two dimensions of a product's operand one must have stride 1: " + tensor);
    }
}
