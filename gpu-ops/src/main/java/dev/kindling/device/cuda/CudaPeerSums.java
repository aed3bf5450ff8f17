package dev.kindling.device.cuda;

import dev.kindling.device.cuda.CudaKernel.Grid;
import dev.kindling.tensor.DType;
import jcuda.driver.CUstream;

/** peer.cu: barriers and sums between GPUs of one host that read each other's memory, on the stream that it is given. */
public final class CudaPeerSums {
    /** The most ranks that a barrier takes: a thread each. */
    public static final int MOST_RANKS = 32;

    private final CudaContext context;
    private final CUstream stream;

    public CudaPeerSums(CudaContext context, CUstream stream) {
        this.context = context;
        this.stream = stream;
    }

    /**
     * Goes on when all ranks have reached it, or the group has broken up; then this rank counts no further, so that no
     * other takes for sums what it computes after that.
     *
     * @param mailboxes address of the addresses of the ranks' counts, each followed by a word that is 0 at first
     * @param broken address of a word that is not 0 once the group has broken up
     */
    public void barrier(long mailboxes, long broken, int rank, int ranks) {
        LaunchArguments arguments =
                context.arguments().add(mailboxes).add(broken).add(rank).add(ranks);
        kernel("peer_barrier", DType.F32, false).launch(stream, Grid.of(1, 32), arguments);
    }

    /**
     * x = the sum in the order of the ranks, or the largest, of what lies in their slots.
     *
     * @param x address of {@code count} F32
     * @param slots address of the addresses of the ranks' slots
     */
    public void combine(boolean largest, long x, long slots, int ranks, long count) {
        LaunchArguments arguments =
                context.arguments().add(x).add(slots).add(ranks).add(count);
        kernel("peer_combine", DType.F32, largest).launch(stream, Grid.cover(count, 1024, 256), arguments);
    }

    /**
     * What a rank adds up.
     *
     * @param own address of this rank's summand, which becomes the sum; a multiple of 4 elements, as the others
     * @param others address of the other ranks', in their order
     * @param stride elements from one to the next
     */
    public record Summands(DType type, long own, long others, long stride, int rank, int ranks) {}

    /** The sum in the order of the ranks, in F32, rounded once. */
    public void sum(Summands summands, long count) {
        LaunchArguments arguments = context.arguments()
                .add(summands.own())
                .add(summands.others())
                .add(summands.stride())
                .add(summands.rank())
                .add(summands.ranks())
                .add(count);
        kernel("peer_sum", summands.type(), false).launch(stream, Grid.cover(count, 1024, 256), arguments);
    }

    /**
     * Elements {@code first .. first + count - 1} of tensors that ranks have at the same place.
     *
     * @param tensors address of the addresses of the ranks' tensors, multiples of 16 bytes as those of the first elements are
     */
    public record Part(DType type, long tensors, long first, long count) {}

    /** This rank's part = its sum in the order of the ranks, in F32, rounded once, of summands that are read where they lie. */
    public void reduce(Part part, int rank, int ranks) {
        LaunchArguments arguments = context.arguments()
                .add(part.tensors())
                .add(part.first())
                .add(rank)
                .add(ranks)
                .add(part.count());
        kernel("peer_reduce", part.type(), false).launch(stream, vectors(part), arguments);
    }

    /** This rank's part = that of {@code peer}. */
    public void copy(Part part, int rank, int peer) {
        LaunchArguments arguments = context.arguments()
                .add(part.tensors())
                .add(part.first())
                .add(rank)
                .add(peer)
                .add(part.count());
        kernel("peer_copy", part.type(), false).launch(stream, vectors(part), arguments);
    }

    private static Grid vectors(Part part) {
        return Grid.cover(part.count(), 4 * 256 * 16 / part.type().bytes(), 256);
    }

    private CudaKernel kernel(String name, DType element, boolean largest) {
        return context.module("peer", DType.F32, "ELEMENT", CudaContext.kernelType(element), "MAXIMUM", largest ? 1 : 0)
                .kernel(name);
    }
}
