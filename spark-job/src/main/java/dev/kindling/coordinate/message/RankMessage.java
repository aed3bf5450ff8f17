package dev.kindling.coordinate.message;

import com.fasterxml.jackson.annotation.JsonTypeInfo;
import dev.kindling.allreduce.link.Peer;
import java.util.List;

/** From a rank to the driver's Coordinator. Every message carries its generation; those of another are refused. */
@JsonTypeInfo(use = JsonTypeInfo.Id.SIMPLE_NAME)
public sealed interface RankMessage {
    int generation();

    int rank();

    /** The rank is there, at this address; repeated until all have joined. */
    record Join(int generation, int rank, Peer peer) implements RankMessage {}

    /** What the rank's process holds of the job; repeated until all have said it. */
    record Holds(int generation, int rank, HeldState state) implements RankMessage {}

    /** A process keeps the state of a job while none of its ranks runs there: is it still wanted? Of no generation. */
    record Retains(int generation, int rank, String job) implements RankMessage {}

    /**
     * A process has learned from {@link DriverReply.Ending} that the driver's is about to end, and saves what it holds of the
     * job. Of no generation.
     *
     * @param executor Spark's id of it
     * @param done it has saved it, or has nothing
     */
    record Saves(int generation, int rank, String executor, boolean done) implements RankMessage {}

    /**
     * The rank lives.
     *
     * @param step the last one done; -1 before the first
     * @param stage what the rank does now
     * @param moves counts the signs of progress: every step and every stage
     * @param waiting in a collective, for its peers
     * @param collectedMillis spent by its process on garbage collections so far
     */
    record Heartbeat(
            int generation, int rank, long step, String stage, long moves, boolean waiting, long collectedMillis)
            implements RankMessage {}

    /**
     * The rank has failed and leaves.
     *
     * @param lost the peer whose connection has closed, if that is why; else -1
     */
    record Failed(int generation, int rank, FirstCause cause, Origin origin, int lost) implements RankMessage {
        /** Where the failure comes from. */
        public enum Origin {
            /** The rank itself. */
            OWN,
            /** The rank's device, on which its process can do nothing more: the rank leaves by ending its executor. */
            DEVICE,
            /** A peer for which it waited in vain. */
            PEER,
            /** It was told to stop. */
            STOPPED
        }
    }

    /** The rank computes on this GPU, on which no other may. */
    record ClaimGpu(int generation, int rank, String gpuUuid) implements RankMessage {}

    /** May the generation end at the checkpoint at hand? {@link DriverReply.Ok} if there is room for more ranks. */
    record MayEnd(int generation, int rank) implements RankMessage {}

    /** Something for the job's handler, whose end the rank waits for by {@link IsHandled} of the same id. */
    record Request(int generation, int rank, long id, Topic.Value value) implements RankMessage {}

    /** Has the handler returned from that request? */
    record IsHandled(int generation, int rank, long id) implements RankMessage {}

    /** Things for the job's handlers, in order, for which the rank does not wait. */
    record Reports(int generation, int rank, List<Topic.Value> values) implements RankMessage {}

    /** The rank has done its work. */
    record Left(int generation, int rank) implements RankMessage {}
}
