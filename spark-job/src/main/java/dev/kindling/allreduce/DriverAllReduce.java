package dev.kindling.allreduce;

import dev.kindling.allreduce.link.AllReduceException;
import dev.kindling.allreduce.link.Deadline;
import dev.kindling.allreduce.link.Group;
import dev.kindling.allreduce.link.Header;
import dev.kindling.allreduce.link.Peer;
import dev.kindling.allreduce.link.PeerTransport;
import dev.kindling.allreduce.link.RefusingHandler;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.SortedSet;
import java.util.TreeSet;
import org.apache.spark.network.client.RpcResponseCallback;
import org.apache.spark.network.client.TransportClient;

/**
 * A star through the driver: every rank sends its buckets to the driver's {@link ReduceServer} and receives the sums.
 * Needs no connection between executors. The driver carries 2 * worldSize times the gradient per step, so this is for
 * small models, for clusters whose executors cannot reach one another, and for tests.
 */
public final class DriverAllReduce implements AllReduce {
    private static final long POLL_MILLIS = 50;

    private final Group group;
    private final PeerTransport transport;
    private final TransportClient client;
    private final Object lock = new Object();
    private long nextSequence;
    /** The numbers of the messages that are not answered. */
    private final SortedSet<Long> inFlight = new TreeSet<>();

    private RuntimeException failure;

    /**
     * Connects to the driver.
     *
     * @param driver where the {@link ReduceServer} listens
     */
    public DriverAllReduce(Group group, Peer driver) {
        this.group = group;
        this.transport = PeerTransport.serve(new RefusingHandler());
        try {
            this.client = transport.connect(driver);
        } catch (RuntimeException e) {
            transport.close();
            throw e;
        }
    }

    @Override
    public String name() {
        return "driver";
    }

    @Override
    public int rank() {
        return group.rank();
    }

    @Override
    public int worldSize() {
        return group.worldSize();
    }

    @Override
    public long submit(SumOrder order, Operands operands, int offset, int length) {
        operands.requireRange(offset, length);
        Rounding rounding = order.rounding();
        int most = Header.MAX_CHUNK_FLOATS / order.mostOperands();
        Pieces.forEach(length, most, (at, count) -> {
            int from = offset + at;
            ByteBuffer message = message(
                    Header.Kind.CONTRIBUTION,
                    ReduceServer.PREFIX + operands.arrays().length * count * rounding.bytes());
            message.putInt(order.code()).putInt(from).order(ByteOrder.LITTLE_ENDIAN);
            for (float[] operand : operands.arrays()) {
                Floats.put(message, rounding, operand, operands.index(from), count);
            }
            message.rewind();
            send(message, sum -> {
                Peer driver = new Peer(-1, "the driver", 0, "driver", "");
                sum.order(ByteOrder.LITTLE_ENDIAN);
                Floats.decode(sum, rounding, operands.sum(), operands.index(from), count, driver);
            });
        });
        return nextSequence;
    }

    @Override
    public void await(long submitted) {
        Deadline deadline = new Deadline(group.timeoutMillis());
        synchronized (lock) {
            while (!inFlight.isEmpty() && inFlight.first() < submitted) {
                pause(deadline);
            }
            if (failure != null) {
                throw failure;
            }
        }
    }

    @Override
    public byte[][] allGather(byte[] payload) {
        AllReduce.requireGatherable(payload.length, worldSize());
        synchronized (lock) {
            if (!inFlight.isEmpty()) {
                throw new IllegalStateException("allGather while buckets are in flight; call await() first");
            }
        }
        byte[][] all = new byte[worldSize()][];
        ByteBuffer message = message(Header.Kind.GATHER, payload.length);
        message.put(payload).rewind();
        send(message, answer -> {
            for (int r = 0; r < all.length; r++) {
                int bytes = answer.getInt();
                if (bytes < 0 || bytes > answer.remaining()) {
                    throw new AllReduceException("malformed answer from the driver");
                }
                all[r] = new byte[bytes];
                answer.get(all[r]);
            }
        });
        await();
        return all;
    }

    @Override
    public void close() {
        client.close();
        transport.close();
    }

    /** A message with its header written, positioned at the payload. */
    private ByteBuffer message(Header.Kind kind, int bytes) {
        ByteBuffer message = ByteBuffer.allocate(Header.SIZE + bytes);
        new Header(group.generation(), group.rank(), kind, nextSequence, bytes).write(message);
        return message;
    }

    private interface Answer {
        void take(ByteBuffer answer);
    }

    private void send(ByteBuffer message, Answer answer) {
        long sequence = nextSequence++;
        synchronized (lock) {
            inFlight.add(sequence);
        }
        client.sendRpc(message, new RpcResponseCallback() {
            @Override
            public void onSuccess(ByteBuffer response) {
                try {
                    answer.take(response);
                    settle(sequence, null);
                } catch (RuntimeException e) {
                    settle(sequence, e);
                }
            }

            @Override
            public void onFailure(Throwable cause) {
                settle(
                        sequence,
                        new AllReduceException("allreduce through the driver failed: " + cause.getMessage(), cause));
            }
        });
    }

    private void settle(long sequence, RuntimeException problem) {
        synchronized (lock) {
            inFlight.remove(sequence);
            if (failure == null) {
                failure = problem;
            }
            lock.notifyAll();
        }
    }

    @SuppressWarnings("WaitNotInLoop") // the callers loop, each over what it waits for
    private void pause(Deadline deadline) {
        group.liveness().check();
        if (failure != null) {
            throw failure;
        }
        if (deadline.passed()) {
            throw new AllReduceException("no answer from the driver for " + deadline.millis() + " ms while rank "
                    + rank() + " waited in allreduce; another rank has not sent its part");
        }
        try {
            lock.wait(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AllReduceException("interrupted while waiting for the driver's sums", e);
        }
    }
}
