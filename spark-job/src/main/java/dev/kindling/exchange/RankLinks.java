package dev.kindling.exchange;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.SingleRank;
import dev.kindling.device.cuda.nccl.NcclCommunicator;
import java.util.Optional;

/**
 * The ranks of one generation, as one of them reaches the others. Whoever made the two closes them.
 *
 * @param allReduce over the hosts; always there
 * @param nccl from GPU to GPU; where it is there, it sums the gradients
 */
public record RankGroup(AllReduce allReduce, Optional<NcclCommunicator> nccl) {
    /** A group of one rank. */
    public static RankGroup alone() {
        return new RankGroup(new SingleRank(), Optional.empty());
    }

    public int rank() {
        return allReduce.rank();
    }

    public int worldSize() {
        return allReduce.worldSize();
    }
}
