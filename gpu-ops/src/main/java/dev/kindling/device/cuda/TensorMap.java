package dev.kindling.device.cuda;

import com.sun.jna.Function;
import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.device.cuda.library.CudaLibraries;
import dev.kindling.tensor.Tensor;

/**
 * A matrix as Hopper's copy engine sees it: the driver's CUtensorMap, an argument of kernels that ask the engine for boxes
 * of it. Beyond the matrix boxes are filled with zeros.
 */
final class TensorMap {
    private static final int BYTES = 128;
    private static final int ALIGNMENT = 64;
    private static final int BYTE = 0;
    private static final int FLOAT16 = 6;
    private static final int BFLOAT16 = 9;
    private static final int NOT_INTERLEAVED = 0;
    private static final int SWIZZLE_128_BYTES = 3;
    private static final int FETCH_128_BYTES = 2;
    private static final int ZEROS_BEYOND = 0;

    private final byte[] encoded;

    private TensorMap(byte[] encoded) {
        this.encoded = encoded;
    }

    /**
     * Boxes of {@code rows} rows and 128 bytes of columns, swizzled as the tensor cores read them.
     *
     * @param matrix (rows, columns) BF16, F16, E4M3 or E5M2, aligned and with rows at multiples of 16 bytes, columns of stride 1
     */
    static TensorMap of(Tensor matrix, int rows) {
        int bytes = matrix.dtype().bytes();
        Memory space = new Memory(BYTES + ALIGNMENT);
        Pointer map = space.align(ALIGNMENT);
        long[] extents = {matrix.size(1), matrix.size(0)};
        long[] strides = {matrix.stride(0) * bytes};
        int[] box = {128 / bytes, rows};
        int[] steps = {1, 1};
        Function encode = CudaLibraries.load().driver("cuTensorMapEncodeTiled");
        int result = encode.invokeInt(new Object[] {
            map,
            type(matrix),
            2,
            new Pointer(CudaContext.aligned(matrix)),
            extents,
            strides,
            box,
            steps,
            NOT_INTERLEAVED,
            SWIZZLE_128_BYTES,
            FETCH_128_BYTES,
            ZEROS_BEYOND
        });
        CudaCall.check(result, "describe %s to the copy engine", matrix);
        return new TensorMap(map.getByteArray(0, BYTES));
    }

    private static int type(Tensor matrix) {
        return switch (matrix.dtype()) {
            case BF16 -> BFLOAT16;
            case F16 -> FLOAT16;
            case E4M3, E5M2 -> BYTE;
            default -> throw new IllegalArgumentException(matrix + " is no operand of tensor cores");
        };
    }

    /** Adds itself to a kernel's arguments. */
    void addTo(LaunchArguments arguments) {
        arguments.add(encoded);
    }
}
