package dev.kindling.device.cuda.nccl;

import dev.kindling.device.cuda.CudaBuffer;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.CudaRounding;
import dev.kindling.device.cuda.nccl.NcclLibrary.Transfer;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * The sum of one range of gradients over the ranks of an {@link NcclCommunicator}, with bf16 on the wire and error
 * feedback. Every rank is sent its piece of all ranks' rounded gradients, adds them in F32 in the order of the ranks, rounds
 * the sum and sends it to all. What either rounding takes away is added before the next one (Tang et al.,
 * arXiv:1905.05957). All ranks get the same bits, in every run, and those of the same sum over host memory; NCCL's own
 * bf16 sums would round at every hop, in an order of their own. {@link NcclCommunicator#join} makes the device wait for it.
 */
public final class RankedSum {
    /** Pieces start at multiples of this many elements. */
    private static final int UNIT = 8;

    /** Scratch memory that all sums of one communicator share, for ranges of up to {@code longest} elements. */
    public static final class WireBuffers {
        private final Tensor rounded;
        private final Tensor received;

        public WireBuffers(NcclCommunicator communicator, Arena arena, long longest) {
            rounded = arena.allocate("rounded gradients", DType.BF16, longest);
            received = arena.allocate("received gradients", DType.F32, longest + 2L * UNIT * communicator.worldSize());
        }
    }

    private final NcclCommunicator communicator;
    private final CudaRounding kernels;
    private final WireBuffers wire;
    private final Tensor gradients;
    private final Tensor residual;
    private final Tensor sumResidual;

    /** Residuals come from {@code arena} and are 0. */
    public RankedSum(
            NcclCommunicator communicator, CudaDevice device, Arena arena, WireBuffers wire, Tensor gradients) {
        this.communicator = communicator;
        this.wire = wire;
        this.gradients = gradients;
        kernels = communicator.rounding();
        residual = arena.allocate("residual of gradients", DType.F32, gradients.count());
        sumResidual = arena.allocate("residual of sums", DType.F32, length(communicator.rank()));
        device.ops().fill(residual, 0);
        device.ops().fill(sumResidual, 0);
    }

    private long start(int rank) {
        return rank == communicator.worldSize()
                ? gradients.count()
                : gradients.count() * rank / communicator.worldSize() / UNIT * UNIT;
    }

    private long length(int rank) {
        return start(rank + 1) - start(rank);
    }

    /**
     * Replaces the gradients by their sum over the ranks, rounded to bf16; what rounding takes away is kept for the next sum.
     * Runs after the work that the device was given so far.
     */
    public void rounded() {
        communicator.begin(gradients);
        Tensor sent = wire.rounded.slice(0, 0, gradients.count());
        kernels.round(DType.BF16, gradients, residual, sent);
        sum(sent);
        kernels.widen(sent, gradients);
    }

    /** Replaces the gradients by their exact sum in F32, residuals of earlier sums included; the residuals are 0 afterwards. */
    public void settled() {
        communicator.begin(gradients);
        kernels.round(DType.F32, gradients, residual, gradients);
        sum(gradients);
    }

    private void sum(Tensor sent) {
        int rank = communicator.rank();
        int ranks = communicator.worldSize();
        DType type = sent.dtype();
        long stride = (gradients.count() / ranks / UNIT + 2) * UNIT;
        long received = CudaBuffer.address(wire.received);
        List<Transfer> parts = new ArrayList<>();
        List<Transfer> partsOfPeers = new ArrayList<>();
        List<Transfer> sums = new ArrayList<>();
        List<Transfer> sumsOfPeers = new ArrayList<>();
        for (int peer = 0; peer < ranks; peer++) {
            if (peer != rank) {
                parts.add(piece(sent, peer, peer));
                partsOfPeers.add(new Transfer(received + peer * stride * type.bytes(), length(rank), peer));
                sums.add(piece(sent, rank, peer));
                sumsOfPeers.add(piece(sent, peer, peer));
            }
        }
        communicator.exchange(type, parts, partsOfPeers);
        kernels.sumOfRanks(
                new CudaRounding.SumParts(sent.slice(0, start(rank), length(rank)), received, stride, rank, ranks),
                sumResidual);
        communicator.exchange(type, sums, sumsOfPeers);
    }

    /** The piece of {@code owner}, sent to or received from {@code peer}. */
    private Transfer piece(Tensor sent, int owner, int peer) {
        long address = CudaBuffer.address(sent) + start(owner) * sent.dtype().bytes();
        return new Transfer(address, length(owner), peer);
    }
}
