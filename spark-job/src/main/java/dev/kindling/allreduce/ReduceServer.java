package dev.kindling.allreduce;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.spark.network.client.RpcResponseCallback;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.server.OneForOneStreamManager;
import org.apache.spark.network.server.RpcHandler;
import org.apache.spark.network.server.StreamManager;

/**
 * The driver's end of {@link DriverAllReduce}, for one generation: collects one message a rank and sequence number,
 * and answers all of them with the sum (or the concatenation) once the last is there. Runs on the transport's threads;
 * no thread ever waits.
 */
public final class ReduceServer implements AutoCloseable {
    private static final long SLACK_BYTES = 64L << 20;

    private final int generation;
    private final int worldSize;
    private final long maxStagedBytes;
    private final PeerTransport transport;
    private final Map<Long, Round> rounds = new HashMap<>();
    private long stagedBytes;

    /** Opens a server on a free port of the driver. */
    public ReduceServer(int generation, int worldSize, long maxElements) {
        this.generation = generation;
        this.worldSize = worldSize;
        this.maxStagedBytes = worldSize * (Float.BYTES * maxElements + SLACK_BYTES);
        this.transport = PeerTransport.serve(new Handler());
    }

    /** The address ranks connect to. */
    public String host() {
        return transport.host();
    }

    /** The port ranks connect to. */
    public int port() {
        return transport.port();
    }

    @Override
    public void close() {
        transport.close();
    }

    private static final class Round {
        private final Header.Kind kind;
        private final byte[][] payloads;
        private final RpcResponseCallback[] callbacks;
        private int arrived;

        Round(Header.Kind kind, int worldSize) {
            this.kind = kind;
            this.payloads = new byte[worldSize][];
            this.callbacks = new RpcResponseCallback[worldSize];
        }
    }

    private final class Handler extends RpcHandler {
        private final StreamManager streams = new OneForOneStreamManager();

        @Override
        public void receive(TransportClient client, ByteBuffer message, RpcResponseCallback callback) {
            Header header = Header.decode(message, generation, worldSize);
            if (message.remaining() != header.bytes()) {
                throw new IllegalArgumentException(
                        "gradient message of " + message.remaining() + " bytes, " + header.bytes() + " announced");
            }
            Round full = add(header, message, callback);
            if (full != null) {
                answer(full);
            }
        }

        @Override
        public StreamManager getStreamManager() {
            return streams;
        }
    }

    private synchronized Round add(Header header, ByteBuffer message, RpcResponseCallback callback) {
        Round round = rounds.computeIfAbsent(header.sequence(), s -> new Round(header.kind(), worldSize));
        if (round.kind != header.kind() || round.payloads[header.from()] != null) {
            throw new IllegalArgumentException("rank " + header.from() + " is out of step at operation "
                    + header.sequence() + ": it sent " + header.kind() + ", the others " + round.kind);
        }
        if (header.kind() == Header.Kind.CONTRIBUTION && header.bytes() < Integer.BYTES) {
            throw new IllegalArgumentException("malformed contribution of " + header.bytes() + " bytes");
        }
        if (stagedBytes + header.bytes() > maxStagedBytes) {
            throw new IllegalArgumentException("more than " + maxStagedBytes + " bytes would wait at the driver");
        }
        stagedBytes += header.bytes();
        byte[] payload = new byte[header.bytes()];
        message.get(payload);
        round.payloads[header.from()] = payload;
        round.callbacks[header.from()] = callback;
        round.arrived++;
        if (round.arrived < worldSize) {
            return null;
        }
        rounds.remove(header.sequence());
        stagedBytes -= Arrays.stream(round.payloads).mapToLong(p -> p.length).sum();
        return round;
    }

    private void answer(Round round) {
        ByteBuffer answer;
        try {
            answer = round.kind == Header.Kind.GATHER ? concatenate(round) : sum(round);
        } catch (AllReduceException e) {
            for (RpcResponseCallback callback : round.callbacks) {
                callback.onFailure(e);
            }
            return;
        }
        for (RpcResponseCallback callback : round.callbacks) {
            callback.onSuccess(answer.duplicate());
        }
    }

    private ByteBuffer sum(Round round) {
        SumOrder order = order(round);
        int count = floats(round.payloads[0]).remaining() / order.operands(0);
        PartialSums sums = new PartialSums();
        for (int r = 0; r < worldSize; r++) {
            FloatBuffer operands = floats(round.payloads[r]);
            if (operands.remaining() != count * order.operands(r)) {
                throw new AllReduceException(
                        r,
                        "rank " + r + " sent " + order.operands(r) + " operand(s) in " + operands.remaining()
                                + " values and rank 0 operands of " + count
                                + "; every rank must reduce the same buckets in the same order");
            }
            for (int i = 0; i < order.operands(r); i++) {
                operands.get(sums.next(count), 0, count);
                sums.join(order.joins(r, i), count);
            }
        }
        ByteBuffer out = ByteBuffer.allocate(count * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        out.asFloatBuffer().put(sums.take(), 0, count);
        return out;
    }

    /** The order that all contributions begin with. */
    private SumOrder order(Round round) {
        int leaves = ByteBuffer.wrap(round.payloads[0]).getInt();
        for (int r = 0; r < worldSize; r++) {
            int claimed = ByteBuffer.wrap(round.payloads[r]).getInt();
            if (claimed != leaves || (claimed != 0 && (claimed < worldSize || claimed > SumOrder.MAX_LEAVES))) {
                throw new AllReduceException(
                        r,
                        "rank " + r + " sums over a tree of " + claimed + " leaves and rank 0 over one of " + leaves
                                + "; every rank must sum in the same order");
            }
        }
        return SumOrder.of(leaves, worldSize);
    }

    private static FloatBuffer floats(byte[] contribution) {
        return ByteBuffer.wrap(contribution, Integer.BYTES, contribution.length - Integer.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer();
    }

    private static ByteBuffer concatenate(Round round) {
        int bytes = 0;
        for (byte[] payload : round.payloads) {
            bytes += Integer.BYTES + payload.length;
        }
        ByteBuffer out = ByteBuffer.allocate(bytes);
        for (byte[] payload : round.payloads) {
            out.putInt(payload.length).put(payload);
        }
        return out.flip();
    }
}
