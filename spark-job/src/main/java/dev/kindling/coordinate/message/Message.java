package dev.kindling.coordinate.message;

import dev.kindling.allreduce.link.Peer;
import java.io.Serializable;
import java.util.List;

/** From a rank to the Coordinator. Every message carries its generation; those of another are refused. */
public sealed interface Message extends Serializable {
    int generation();

    int rank();

    record Join(int generation, int rank, Peer peer) implements Message {}

    /**
     * A sign of life, sent at a fixed pace.
     *
     * @param moves counts the signs of progress: every step and every stage
     * @param waiting in a collective, for its peers
     */
    record Heartbeat(int generation, int rank, long step, String stage, long moves, boolean waiting)
            implements Message {}

    record Failed(int generation, int rank, FirstCause cause, Kind kind) implements Message {
        public enum Kind {
            /** The rank's own. */
            OWN,
            /** It waited in vain for a peer. */
            PEER,
            /** It was told to stop. */
            STOPPED
        }
    }

    record Claim(int generation, int rank, String gpuUuid) implements Message {}

    /** May the generation end at the checkpoint at hand? Ok if there is room for more ranks. */
    record MayEnd(int generation, int rank) implements Message {}

    record Request(int generation, int rank, long id, String topic, byte[] payload) implements Message {}

    /** What a rank has to say, without an answer. */
    record Report(String topic, byte[] payload) implements Serializable {}

    record Reports(int generation, int rank, List<Report> reports) implements Message {}

    record Poll(int generation, int rank, long id) implements Message {}

    record Left(int generation, int rank) implements Message {}
}
