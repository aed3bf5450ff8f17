package dev.kindling.device.cuda;

import dev.kindling.device.TensorChecks;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Locale;
import jcuda.driver.CUstream;

/**
 * rounding.cu: gradients rounded for the wire, with error feedback, on the stream that it is given. Where the type to round to
 * is F32, nothing is rounded, the whole sum goes out, and the residual becomes 0.
 */
public final class CudaRounding {
    private final CudaContext context;
    private final CUstream stream;

    public CudaRounding(CudaContext context, CUstream stream) {
        this.context = context;
        this.stream = stream;
    }

    /** wire = rounded(x + residual); residual = x + residual - wire. x, residual F32; wire may be x. */
    public void round(DType rounded, Tensor x, Tensor residual, Tensor wire) {
        TensorChecks.dense(x, residual, wire);
        TensorChecks.type(DType.F32, x, residual);
        TensorChecks.count(x.count(), residual, wire);
        CudaKernel kernel = kernel("round_with_feedback", rounded, wire.dtype());
        LaunchArguments arguments =
                context.arguments().add(aligned(wire)).add(aligned(residual)).add(aligned(x));
        launch(kernel, arguments, x.count());
    }

    /**
     * The summands of a sum over the ranks, all of the type on the wire.
     *
     * @param own this rank's summand
     * @param others address of the received summands, in the order of the ranks; this rank's place among them is not read
     * @param stride elements from one rank's summand to the next
     */
    public record SumParts(Tensor own, long others, long stride, int rank, int ranks) {}

    /** own = rounded(sum over ranks + residual), residual = what that rounds away. */
    public void sumOfRanks(SumParts parts, Tensor residual) {
        Tensor own = parts.own();
        TensorChecks.dense(own, residual);
        TensorChecks.type(DType.F32, residual);
        TensorChecks.count(own.count(), residual);
        CudaKernel kernel = kernel("sum_of_ranks", own.dtype(), own.dtype());
        LaunchArguments arguments = context.arguments()
                .add(aligned(own))
                .add(parts.others())
                .add(aligned(residual))
                .add(parts.stride())
                .add(parts.rank())
                .add(parts.ranks());
        launch(kernel, arguments, own.count());
    }

    /** to (F32) = wire (BF16). */
    public void widen(Tensor wire, Tensor to) {
        TensorChecks.dense(wire, to);
        TensorChecks.type(DType.F32, to);
        TensorChecks.count(wire.count(), to);
        CudaKernel kernel = kernel("widen", DType.BF16, wire.dtype());
        launch(kernel, context.arguments().add(aligned(to)).add(aligned(wire)), to.count());
    }

    private CudaKernel kernel(String name, DType rounded, DType wire) {
        return context.module(
                        "rounding",
                        DType.F32,
                        "ROUNDED",
                        CudaContext.kernelType(rounded),
                        "WIRE",
                        CudaContext.kernelType(wire))
                .kernel(name);
    }

    private static long aligned(Tensor x) {
        long address = CudaBuffer.address(x);
        if (address % (4L * x.dtype().bytes()) != 0) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "%s does not start at a multiple of 4 elements", x));
        }
        return address;
    }

    private void launch(CudaKernel kernel, LaunchArguments arguments, long count) {
        kernel.launch(stream, Grid.cover(count, 1024, 256), arguments.add(count));
    }
}
