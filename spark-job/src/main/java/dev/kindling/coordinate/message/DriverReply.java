package dev.kindling.coordinate.message;

import com.fasterxml.jackson.annotation.JsonTypeInfo;
import dev.kindling.allreduce.link.Peer;
import java.util.List;

/** The Coordinator's answer to a {@link RankMessage}. */
@JsonTypeInfo(use = JsonTypeInfo.Id.SIMPLE_NAME)
public sealed interface DriverReply {
    /** Taken, yes, done. */
    record Ok() implements DriverReply {}

    /** Not yet, or no. */
    record Waiting() implements DriverReply {}

    /** Everyone is there. {@code reducer} is the driver's ReduceServer; port 0 when the transport has none. */
    record Roster(List<Peer> peers, Peer reducer) implements DriverReply {}

    /**
     * Where the ranks begin.
     *
     * @param step the number of steps done
     * @param committed the step of the last checkpoint, 0 without one
     * @param holders for each part of the state the ranks that hold it after {@code step}; empty where all begin from the
     *     checkpoint
     */
    record Start(long step, long committed, List<List<Integer>> holders) implements DriverReply {}

    /** Stop: the generation is over or has failed. */
    record Stop(String reason) implements DriverReply {}

    /**
     * The driver's process has been told to end in the middle of the job, and takes what executors hold along: they save it now,
     * while the driver waits for {@link RankMessage.Saves}.
     */
    record Ending() implements DriverReply {}

    /** What was asked for is an error of the job itself. */
    record Refused(String reason) implements DriverReply {}

    /**
     * The handler of a request has thrown.
     *
     * @param fatal another attempt is pointless
     */
    record HandlerFailed(String reason, boolean fatal) implements DriverReply {}
}
