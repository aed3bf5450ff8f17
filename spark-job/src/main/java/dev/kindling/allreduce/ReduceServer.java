package dev.kindling.allreduce;

import dev.kindling.allreduce.link.AllReduceException;
import dev.kindling.allreduce.link.Header;
import dev.kindling.allreduce.link.PeerTransport;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.spark.network.client.RpcResponseCallback;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.server.OneForOneStreamManager;
import org.apache.spark.network.server.RpcHandler;
import org.apache.spark.network.server.StreamManager;

/**
 * The driver's end of {@link DriverAllReduce}, for one generation. It collects one message per rank for each sequence
 * number, and answers all of them with the sum (or the concatenation) as soon as the last one is there. Runs on the
 * transport's threads; no thread ever waits.
 */
public final class ReduceServer implements AutoCloseable {
    private static final long SLACK_BYTES = 64L << 20;
    /** The prefix of a contribution: the code of its order, and the first position. */
    static final int PREFIX = 2 * Integer.BYTES;

    private final int generation;
    private final int worldSize;
    private final long maxStagedBytes;
    private final SumResidual residual = new SumResidual();
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
        if (header.kind() == Header.Kind.CONTRIBUTION && header.bytes() < PREFIX) {
            throw new IllegalArgumentException("malformed contribution of " + header.bytes() + " bytes");
        }
        if (header.kind() == Header.Kind.GATHER) {
            AllReduce.requireGatherable(header.bytes(), worldSize);
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
        ByteBuffer first = ByteBuffer.wrap(round.payloads[0]);
        int code = first.getInt();
        int from = first.getInt();
        if (!SumOrder.isCode(code, worldSize)) {
            throw new AllReduceException("rank 0 sums in an order that does not exist, " + code);
        }
        SumOrder order = SumOrder.of(code, worldSize);
        Rounding rounding = order.rounding();
        int count = first.remaining() / (order.operands(0) * rounding.bytes());
        if (rounding != Rounding.NONE
                && (from < 0 || (long) from + count > maxStagedBytes / ((long) worldSize * Float.BYTES))) {
            throw new AllReduceException("rank 0 sums positions from " + from + " on, which do not exist");
        }
        PartialSums sums = new PartialSums();
        for (int r = 0; r < worldSize; r++) {
            ByteBuffer operands = ByteBuffer.wrap(round.payloads[r]);
            boolean sameOrder = operands.getInt() == code && operands.getInt() == from;
            if (!sameOrder || operands.remaining() != count * order.operands(r) * rounding.bytes()) {
                throw new AllReduceException(
                        "rank " + r + " sent " + operands.remaining() + " bytes that are not the " + order.operands(r)
                                + " operand(s) of " + count + " values in rank 0's order"
                                + "; every rank must reduce the same buckets in the same order");
            }
            operands.order(ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < order.operands(r); i++) {
                Floats.get(operands, rounding, sums.next(count), 0, count);
                sums.join(order.joins(r, i), count);
            }
        }
        float[] sum = sums.take();
        residual.round(rounding, sum, from, count);
        ByteBuffer out = ByteBuffer.allocate(count * rounding.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        Floats.put(out, rounding, sum, 0, count);
        return out.flip();
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
