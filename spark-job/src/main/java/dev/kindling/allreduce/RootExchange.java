package dev.kindling.allreduce;

import dev.kindling.allreduce.link.BufferPool;
import dev.kindling.allreduce.link.Deadline;
import dev.kindling.allreduce.link.Group;
import dev.kindling.allreduce.link.Header;
import dev.kindling.allreduce.link.Links;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Supplier;

/**
 * Collectives by way of rank 0, for which a rank is connected with few others: what ranks give goes to rank 0, and what it
 * gives to all goes down a binomial tree, in log2(N) hops. Not thread-safe.
 */
final class RootExchange {
    /** What a {@link MeshAllReduce} does for it. */
    interface Wire {
        /** The number of the next message; all ranks take them in the same order. */
        long next();

        /** Has the transport thread do something. */
        void queue(Runnable request);

        /** Returns when that is done. */
        void awaitQueued(Deadline deadline);

        /** Waits for a message, bounded; its buffer goes back to the pool. */
        ByteBuffer receive(long sequence, int from, Deadline deadline);
    }

    private static final int PIECE_BYTES = Header.MAX_GATHER_BYTES;

    private final Group group;
    private final BufferPool pool;
    private final Links links;
    private final Wire wire;

    RootExchange(Group group, BufferPool pool, Links links, Wire wire) {
        this.group = group;
        this.pool = pool;
        this.links = links;
        this.wire = wire;
    }

    /** Where a rank's messages from rank 0 come from. */
    static int parent(int rank) {
        return rank & (rank - 1);
    }

    /** To whom a rank hands on what comes from rank 0, the one with the most below it first. */
    static List<Integer> children(int rank, int worldSize) {
        List<Integer> children = new ArrayList<>();
        for (int bit = 1; (rank & bit) == 0 && (rank | bit) < worldSize; bit <<= 1) {
            children.add(rank | bit);
        }
        Collections.reverse(children);
        return children;
    }

    byte[][] allGather(byte[] payload) {
        AllReduce.requireGatherable(payload.length, group.worldSize());
        Deadline deadline = new Deadline(group.timeoutMillis());
        byte[][] all = new byte[group.worldSize()][];
        all[group.rank()] = payload.clone();
        reachRoot();
        long sequence = wire.next();
        if (group.rank() != 0) {
            send(sequence, 0, () -> message(payload, 0, payload.length));
        }
        for (int rank = 1; rank < all.length && group.rank() == 0; rank++) {
            all[rank] = bytes(wire.receive(sequence, rank, deadline));
        }
        return unpack(broadcast(group.rank() == 0 ? pack(all) : null));
    }

    byte[] broadcast(byte[] payload) {
        Deadline deadline = new Deadline(group.timeoutMillis());
        List<Integer> children = children(group.rank(), group.worldSize());
        links.reach(children);
        byte[] whole = group.rank() == 0 ? payload.clone() : null;
        for (int at = 0; whole == null || at == 0 || at < whole.length; at += PIECE_BYTES) {
            long sequence = wire.next();
            if (group.rank() != 0) {
                ByteBuffer piece = wire.receive(sequence, parent(group.rank()), deadline);
                int length = piece.getInt();
                whole = whole == null ? new byte[length] : whole;
                piece.get(whole, at, piece.remaining());
                pool.giveBack(piece);
            }
            byte[] known = whole;
            int from = at;
            for (int child : children) {
                send(sequence, child, () -> piece(known, from));
            }
        }
        return whole;
    }

    /** As {@link AllReduce#gather}: each rank's slice goes to rank 0 and to no other. */
    void gather(float[] own, float[] whole, int[] bounds) {
        int longest = 0;
        for (int rank = 0; rank < group.worldSize(); rank++) {
            longest = Math.max(longest, bounds[rank + 1] - bounds[rank]);
        }
        reachRoot();
        if (group.rank() == 0) {
            System.arraycopy(own, 0, whole, 0, bounds[1]);
        }
        Pieces.forEach(longest, links.chunkFloats(), (at, most) -> gather(own, whole, bounds, at, most));
        wire.awaitQueued(new Deadline(group.timeoutMillis())); // the transport thread reads what the caller gave
    }

    private void gather(float[] own, float[] whole, int[] bounds, int at, int most) {
        Deadline deadline = new Deadline(group.timeoutMillis());
        long sequence = wire.next();
        if (group.rank() != 0) {
            int count = count(bounds, group.rank(), at, most);
            if (count > 0) {
                send(sequence, 0, () -> {
                    ByteBuffer bytes = pool.take(count * Float.BYTES);
                    Floats.put(bytes, Rounding.NONE, own, at, count);
                    return bytes.flip();
                });
            }
            return;
        }
        for (int rank = 1; rank < group.worldSize(); rank++) {
            int count = count(bounds, rank, at, most);
            if (count > 0) {
                ByteBuffer bytes = wire.receive(sequence, rank, deadline);
                Floats.decode(bytes, Rounding.NONE, whole, bounds[rank] + at, count, group.peer(rank));
                pool.giveBack(bytes);
            }
        }
    }

    private static int count(int[] bounds, int rank, int at, int most) {
        return Math.max(0, Math.min(most, bounds[rank + 1] - bounds[rank] - at));
    }

    private void send(long sequence, int to, Supplier<ByteBuffer> payload) {
        wire.queue(() -> links.send(Header.Kind.GATHER, sequence, to, payload.get()));
    }

    private void reachRoot() {
        if (group.rank() != 0) {
            links.reach(List.of(0));
        }
    }

    /** The length of the whole, then the piece. */
    private ByteBuffer piece(byte[] whole, int at) {
        int count = Math.min(PIECE_BYTES, whole.length - at);
        return pool.take(Integer.BYTES + count)
                .putInt(whole.length)
                .put(whole, at, count)
                .flip();
    }

    private ByteBuffer message(byte[] bytes, int from, int count) {
        return pool.take(count).put(bytes, from, count).flip();
    }

    private byte[] bytes(ByteBuffer message) {
        byte[] bytes = new byte[message.remaining()];
        message.get(bytes);
        pool.giveBack(message);
        return bytes;
    }

    private static byte[] pack(byte[][] all) {
        int total = 0;
        for (byte[] one : all) {
            total += Integer.BYTES + one.length;
        }
        ByteBuffer packed = ByteBuffer.allocate(total);
        for (byte[] one : all) {
            packed.putInt(one.length).put(one);
        }
        return packed.array();
    }

    private byte[][] unpack(byte[] packed) {
        ByteBuffer bytes = ByteBuffer.wrap(packed);
        byte[][] all = new byte[group.worldSize()][];
        for (int rank = 0; rank < all.length; rank++) {
            all[rank] = new byte[bytes.getInt()];
            bytes.get(all[rank]);
        }
        return all;
    }
}
