package dev.kindling.exchange;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.SingleRank;
import dev.kindling.device.cuda.collective.Collectives;
import java.util.Optional;

/**
 * What connects a rank with the others of its generation. Whoever made the two closes them.
 *
 * @param allReduce over the hosts; always there
 * @param gpus from GPU to GPU; where it is there, it sums the gradients
 */
public record RankLinks(AllReduce allReduce, Optional<Collectives> gpus) {
    /** The links of a rank that trains alone. */
    public static RankLinks alone() {
        return new RankLinks(new SingleRank(), Optional.empty());
    }

    public int rank() {
        return allReduce.rank();
    }

    public int worldSize() {
        return allReduce.worldSize();
    }
}
