package dev.kindling.allreduce.link;

import java.util.List;
import java.util.stream.IntStream;

/**
 * The ranks of one generation, as one of them sees it.
 *
 * @param generation carried by every message; messages of other generations are refused
 * @param rank this rank
 * @param peers every rank, itself included, by rank
 * @param timeoutMillis how long one wait for a peer may take
 * @param liveness asked again and again during waits whether this rank should still wait
 */
public record Group(int generation, int rank, List<Peer> peers, long timeoutMillis, Liveness liveness) {
    public Group {
        peers = List.copyOf(peers);
        if (rank < 0 || rank >= peers.size()) {
            throw new IllegalArgumentException("rank " + rank + " is outside a group of " + peers.size());
        }
    }

    /** Number of ranks. */
    public int worldSize() {
        return peers.size();
    }

    public Peer peer(int ofRank) {
        return peers.get(ofRank);
    }

    /** All ranks but this one, the next one first. */
    public List<Integer> others() {
        return IntStream.range(1, worldSize())
                .mapToObj(step -> (rank + step) % worldSize())
                .toList();
    }
}
