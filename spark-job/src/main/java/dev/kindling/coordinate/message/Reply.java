package dev.kindling.coordinate.message;

import dev.kindling.allreduce.link.Peer;
import java.io.Serializable;
import java.util.List;

/** From the Coordinator to a rank. */
public sealed interface Reply extends Serializable {
    record Ok() implements Reply {}

    record Waiting() implements Reply {}

    /** Everyone is there. {@code reducer} is the driver's ReduceServer; port 0 when the transport has none. */
    record Roster(List<Peer> peers, Peer reducer) implements Reply {}

    /** Stop: the generation is over or has failed. */
    record Stop(String reason) implements Reply {}

    /** What was asked for is an error of the job itself. */
    record Refused(String reason) implements Reply {}

    record Answer(byte[] payload) implements Reply {}
}
