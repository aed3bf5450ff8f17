package dev.kindling.device.cuda;

import dev.kindling.device.Accumulation;
import dev.kindling.device.AdamWOp;
import dev.kindling.device.TensorChecks;
import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.device.cuda.library.CudaCall;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.List;
import java.util.Locale;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.JCudaDriver;

/** accumulate.cu, global_norm.cu and adamw.cu. */
public final class CudaOptimizer {
    private static final int BLOCKS = 1024;

    private final CudaContext context;

    public CudaOptimizer(CudaContext context) {
        this.context = context;
    }

    void gradientNorm(Tensor gradients, float maxNorm) {
        finish(partialSquares(gradients), BLOCKS, maxNorm);
    }

    double[] squares(Tensor gradients) {
        partialSquares(gradients);
        context.synchronize();
        double[] squares = new double[BLOCKS];
        CudaCall.check(
                JCudaDriver.cuMemcpyDtoH(Pointer.to(squares), scratch(BLOCKS), (long) Double.BYTES * BLOCKS),
                "download the squares of %s",
                gradients);
        return squares;
    }

    void gradientNorm(double[] squares, float maxNorm) {
        context.synchronize();
        long bytes = (long) Double.BYTES * squares.length;
        long partial = context.scratch(bytes);
        CudaCall.check(
                JCudaDriver.cuMemcpyHtoD(scratch(squares.length), Pointer.to(squares), bytes),
                "upload %,d sums of squares",
                squares.length);
        finish(partial, squares.length, maxNorm);
    }

    private CUdeviceptr scratch(int doubles) {
        return CudaBuffer.pointer(context.scratchTensor(DType.I32, Shape.of(2L * doubles), 0));
    }

    /** The address of the partial sums, in the scratch memory. */
    private long partialSquares(Tensor gradients) {
        long partial = context.scratch((long) Double.BYTES * BLOCKS);
        partialSquares(List.of(gradients), partial, BLOCKS);
        return partial;
    }

    /**
     * Of pieces of one flat buffer that are equally long and equally far apart, all at once.
     *
     * @param blocks of each piece; the partial sums lie one after another from {@code partial} on
     */
    private void partialSquares(List<Tensor> pieces, long partial, int blocks) {
        Tensor first = pieces.get(0);
        for (Tensor piece : pieces) {
            TensorChecks.dense(piece);
            CudaContext.aligned(piece);
        }
        CudaModule module = first.dtype() == DType.F32
                ? context.module("global_norm")
                : context.module("global_norm", DType.F32, "GRADIENT", gradientType(first));
        context.arguments()
                .add(partial)
                .add(CudaBuffer.address(first))
                .add(first.count())
                .add(pitch(pieces));
        context.launch(module.kernel("global_norm_partial"), new Grid(blocks, pieces.size(), 1, 256, 1, 0));
    }

    /** The elements from the beginning of one piece to that of the next. */
    private static long pitch(List<Tensor> pieces) {
        return pieces.size() < 2 ? 0 : pieces.get(1).offset() - pieces.get(0).offset();
    }

    private static String gradientType(Tensor gradients) {
        if (gradients.dtype() != DType.F32 && gradients.dtype() != DType.BF16) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "%s must be F32 or BF16, as gradients are", gradients));
        }
        return CudaContext.kernelType(gradients.dtype());
    }

    /** How many blocks sum the squares of each of a rank's pieces: {@value #BLOCKS} in all, rounded up for each. */
    public static int[] blocks(List<Tensor> pieces) {
        long total = pieces.stream().mapToLong(Tensor::count).sum();
        return pieces.stream()
                .mapToInt(piece -> (int) ((piece.count() * BLOCKS + total - 1) / total))
                .toArray();
    }

    /**
     * Partial sums of the squares of a rank's pieces, one after another from {@code partial} on. Pieces that are alike share
     * a launch: each has too few blocks to read as fast as the memory is.
     */
    public void partialSquares(List<Tensor> pieces, int[] blocks, long partial) {
        long at = partial;
        int from = 0;
        while (from < pieces.size()) {
            int to = from + 1;
            while (to < pieces.size() && isNext(pieces.subList(from, to), pieces.get(to))) {
                to++;
            }
            partialSquares(pieces.subList(from, to), at, blocks[from]);
            at += (long) Double.BYTES * blocks[from] * (to - from);
            from = to;
        }
    }

    /** Whether a piece goes on where pieces that are alike end. */
    private static boolean isNext(List<Tensor> alike, Tensor piece) {
        Tensor last = alike.get(alike.size() - 1);
        return piece.buffer() == last.buffer()
                && piece.count() == last.count()
                && (alike.size() == 1 || piece.offset() - last.offset() == pitch(alike));
    }

    /** Norm and clip scale from {@code blocks} partial sums. */
    public void finish(long partial, int blocks, float maxNorm) {
        context.arguments()
                .add(context.state().address())
                .add(partial)
                .add(blocks)
                .add(maxNorm)
                .add(1f);
        context.launch(context.module("global_norm").kernel("global_norm_finish"), Grid.of(1, 256));
    }

    void adamW(AdamWOp op) {
        TensorChecks.dense(op.parameters(), op.working(), op.gradients(), op.m(), op.v());
        TensorChecks.type(DType.F32, op.parameters());
        TensorChecks.type(op.m().dtype(), op.v());
        long count = op.parameters().count();
        TensorChecks.count(count, op.working(), op.gradients(), op.m(), op.v());
        long master = CudaContext.aligned(op.parameters());
        long working = CudaBuffer.address(op.working());
        DType type = op.working() == null ? DType.F32 : op.working().dtype();
        if (working % (4L * type.bytes()) != 0) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "%s does not start at a multiple of 4 elements", op.working()));
        }
        CudaKernel kernel = context.module(
                        "adamw",
                        type,
                        "MOMENT",
                        CudaContext.kernelType(op.m().dtype()),
                        "GRADIENT",
                        gradientType(op.gradients()))
                .kernel("adamw");
        context.arguments()
                .struct(KernelStructs.ADAM_W)
                .set("master", master)
                .set("m", CudaContext.aligned(op.m()))
                .set("v", CudaContext.aligned(op.v()))
                .set("working", working == master ? 0 : working)
                .set("gradient", CudaContext.aligned(op.gradients()))
                .set("state", context.state().address())
                .set("count", count)
                .set("decaying", op.decaying())
                .set("first", op.first())
                .set("beta1", op.beta1())
                .set("beta2", op.beta2())
                .set("epsilon", op.epsilon())
                .set("weightDecay", op.weightDecay());
        context.launch(kernel, Grid.cover(count, 1024, 256));
    }

    void accumulate(Accumulation op) {
        TensorChecks.dense(op.x(), op.sum());
        TensorChecks.type(DType.F32, op.x());
        TensorChecks.type(DType.BF16, op.sum());
        TensorChecks.count(op.x().count(), op.sum());
        context.arguments()
                .add(CudaContext.aligned(op.sum()))
                .add(CudaContext.aligned(op.x()))
                .add(context.state().address())
                .add(op.first())
                .add(op.x().count());
        context.launch(
                context.module("accumulate").kernel("accumulate"),
                Grid.cover(op.x().count(), 1024, 256));
    }

    void nextMicroBatch() {
        CudaKernel kernel = context.module("step_state").kernel("next_micro_batch");
        context.arguments().add(context.state().address());
        context.launch(kernel, Grid.of(1, 1));
    }
}
