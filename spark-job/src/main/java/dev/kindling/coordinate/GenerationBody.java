package dev.kindling.coordinate;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.coordinate.message.FatalJobException;
import java.io.Serializable;

/** What every rank does. Sent to the executors by Java serialisation. */
@FunctionalInterface
public interface GenerationBody extends Serializable {
    /**
     * Runs on every rank of every generation. Must call {@link RankSession#stepReached} at every step. Rank 0's bytes are
     * the result of the job; the other ranks' are dropped.
     *
     * @throws FatalJobException for what another attempt cannot cure; anything else is retried
     */
    byte[] run(RankSession session, AllReduce allReduce) throws Exception;

    /** Runs on executors without a rank, {@code cluster.spares} of them: does beforehand what does not need a rank. */
    default void prepare(JobPlace place) throws Exception {}
}
