package dev.kindling.coordinate;

import dev.kindling.allreduce.Peer;
import java.io.Serializable;

/** From a rank to the Coordinator. Every message carries its generation; those of another are refused. */
sealed interface Message extends Serializable {
    int generation();

    int rank();

    record Join(int generation, int rank, Peer peer) implements Message {}

    record Heartbeat(int generation, int rank, long step, String stage) implements Message {}

    /** {@code secondary}: follows from another rank's trouble, or from the order to stop. */
    record Failed(int generation, int rank, FirstCause cause, boolean secondary) implements Message {}

    record Claim(int generation, int rank, String gpuUuid) implements Message {}

    record Request(int generation, int rank, long id, String topic, byte[] payload, boolean answered)
            implements Message {}

    record Poll(int generation, int rank, long id) implements Message {}

    record Left(int generation, int rank) implements Message {}
}
