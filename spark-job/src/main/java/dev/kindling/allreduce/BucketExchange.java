package dev.kindling.allreduce;

import dev.kindling.allreduce.link.Group;
import dev.kindling.allreduce.link.Header;
import dev.kindling.allreduce.link.Links;
import dev.kindling.allreduce.link.Mailbox;
import dev.kindling.allreduce.link.Peer;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * The protocol of a {@link MeshAllReduce} for its buckets: sends this rank's contributions to their owners, sums this
 * rank's own chunk once all contributions have arrived, sends the sum to all ranks, and copies theirs into place. Runs
 * on the transport thread.
 */
final class BucketExchange {
    private final Group group;
    private final Mailbox mailbox;
    private final Links links;
    private final PartialSums sums = new PartialSums();
    private final SumResidual residual = new SumResidual();
    private final Deque<Bucket> unreduced = new ArrayDeque<>();
    private final Deque<Bucket> undecoded = new ArrayDeque<>();

    BucketExchange(Group group, Mailbox mailbox, Links links) {
        this.group = group;
        this.mailbox = mailbox;
        this.links = links;
    }

    private int rank() {
        return group.rank();
    }

    private int worldSize() {
        return group.worldSize();
    }

    private Peer peer(int rank) {
        return group.peer(rank);
    }

    /** Queues what this rank contributes to a bucket. */
    void begin(Bucket bucket) {
        if (bucket.order() == null) {
            spread(bucket);
        } else {
            scatter(bucket);
            unreduced.add(bucket);
        }
        undecoded.add(bucket);
    }

    /** Does everything that is possible without waiting. */
    void advance() {
        while (!unreduced.isEmpty() && missingContributor(unreduced.peek()) == rank()) {
            reduce(unreduced.remove());
        }
        while (!undecoded.isEmpty() && decode(undecoded.peek())) {
            undecoded.remove();
        }
    }

    /** The rank that a bucket waits for; this rank itself if nothing is missing. */
    int missing(Bucket bucket) {
        for (int step = bucket.results() + 1; step < worldSize(); step++) {
            int owner = (rank() + step) % worldSize();
            if (givesResult(bucket, owner) && !mailbox.has(Header.Kind.RESULT, bucket.sequence(), owner)) {
                return owner;
            }
        }
        return bucket.reduced() ? rank() : missingContributor(bucket);
    }

    private static boolean givesResult(Bucket bucket, int owner) {
        return bucket.spread() && bucket.count(owner) > 0;
    }

    /** The first rank whose contribution to this rank's chunk has not arrived; this rank itself if all have. */
    private int missingContributor(Bucket bucket) {
        boolean alone = bucket.order() == null || bucket.count(rank()) == 0;
        for (int r = 0; r < worldSize() && !alone; r++) {
            if (r != rank() && !mailbox.has(Header.Kind.CONTRIBUTION, bucket.sequence(), r)) {
                return r;
            }
        }
        return rank();
    }

    private void scatter(Bucket bucket) {
        for (int step = 1; step < worldSize(); step++) {
            int owner = (rank() + step) % worldSize();
            int from = bucket.index(owner);
            int count = bucket.count(owner);
            if (count > 0) {
                links.send(
                        Header.Kind.CONTRIBUTION,
                        bucket.sequence(),
                        owner,
                        Floats.encode(mailbox.pool(), bucket.rounding(), from, count, bucket.operands()));
            }
        }
    }

    private void reduce(Bucket bucket) {
        int count = bucket.count(rank());
        if (count > 0) {
            for (int r = 0; r < worldSize(); r++) {
                addContribution(bucket, r, bucket.index(rank()), count);
            }
            float[] sum = sums.take();
            residual.round(bucket.rounding(), sum, bucket.start(rank()), count);
            System.arraycopy(sum, 0, bucket.data(), bucket.index(rank()), count);
        }
        spread(bucket);
    }

    private void addContribution(Bucket bucket, int of, int from, int count) {
        boolean own = of == rank();
        int operands = bucket.order().operands(of);
        ByteBuffer bytes = own ? null : mailbox.take(Header.Kind.CONTRIBUTION, bucket.sequence(), of);
        if (!own) {
            Floats.requireLength(bytes, bucket.rounding(), operands * count, peer(of));
        }
        for (int i = 0; i < operands; i++) {
            float[] next = sums.next(count);
            if (own) {
                System.arraycopy(bucket.operands()[i], from, next, 0, count);
            } else {
                Floats.get(bytes, bucket.rounding(), next, 0, count);
            }
            sums.join(bucket.order().joins(of, i), count);
        }
        if (!own) {
            mailbox.pool().giveBack(bytes);
        }
    }

    /** Sends this rank's final chunk to the others. */
    private void spread(Bucket bucket) {
        if (givesResult(bucket, rank())) {
            ByteBuffer result = Floats.encode(
                    mailbox.pool(), bucket.rounding(), bucket.index(rank()), bucket.count(rank()), bucket.data());
            links.sendToAll(Header.Kind.RESULT, bucket.sequence(), result);
        }
        bucket.reduce();
    }

    /** Copies the results that have arrived to their places; returns whether all are there. */
    private boolean decode(Bucket bucket) {
        while (bucket.results() < worldSize() - 1 && decode(bucket, (rank() + 1 + bucket.results()) % worldSize())) {
            bucket.place();
        }
        return bucket.results() == worldSize() - 1;
    }

    /** Copies one owner's result to its place; returns whether it has arrived. */
    private boolean decode(Bucket bucket, int owner) {
        if (!givesResult(bucket, owner)) {
            return true;
        }
        ByteBuffer result = mailbox.take(Header.Kind.RESULT, bucket.sequence(), owner);
        if (result == null) {
            return false;
        }
        int count = bucket.count(owner);
        Floats.decode(result, bucket.rounding(), bucket.data(), bucket.index(owner), count, peer(owner));
        mailbox.pool().giveBack(result);
        return true;
    }
}
