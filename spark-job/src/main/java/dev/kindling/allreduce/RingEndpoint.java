package dev.kindling.allreduce;

import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.network.client.RpcResponseCallback;
import org.apache.spark.network.client.StreamCallbackWithID;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.server.OneForOneStreamManager;
import org.apache.spark.network.server.RpcHandler;
import org.apache.spark.network.server.StreamManager;

/**
 * The receiving half of a {@link RingAllReduce}: opened before the rendezvous, so that its port can be told to the
 * peers, and ready for them at once. Messages of other generations are refused.
 */
public final class RingEndpoint implements AutoCloseable {
    private static final long SLACK_BYTES = 64L << 20;

    private final int generation;
    private final int worldSize;
    private final Mailbox mailbox;
    private final PeerTransport transport;

    /**
     * Opens a server on a free port.
     *
     * @param maxElements the most floats a step reduces; bounds what may wait in memory
     */
    public RingEndpoint(int generation, int worldSize, long maxElements) {
        this.generation = generation;
        this.worldSize = worldSize;
        this.mailbox = new Mailbox(worldSize, 2 * Float.BYTES * maxElements + SLACK_BYTES);
        this.transport = PeerTransport.serve(new Handler());
    }

    /** The address peers connect to. */
    public String host() {
        return transport.host();
    }

    /** The port peers connect to. */
    public int port() {
        return transport.port();
    }

    Mailbox mailbox() {
        return mailbox;
    }

    PeerTransport transport() {
        return transport;
    }

    @Override
    public void close() {
        mailbox.close();
        transport.close();
    }

    private final class Handler extends RpcHandler {
        private final Map<Object, Integer> ranks = new ConcurrentHashMap<>();
        private final StreamManager streams = new OneForOneStreamManager();

        @Override
        public void receive(TransportClient client, ByteBuffer message, RpcResponseCallback callback) {
            Header hello = Header.decode(message, generation, worldSize);
            ranks.put(client.getChannel().id(), hello.from());
            callback.onSuccess(ByteBuffer.allocate(0));
        }

        @Override
        public StreamCallbackWithID receiveStream(
                TransportClient client, ByteBuffer message, RpcResponseCallback callback) {
            Header header = Header.decode(message, generation, worldSize);
            if (!Integer.valueOf(header.from())
                    .equals(ranks.get(client.getChannel().id()))) {
                throw new IllegalArgumentException(
                        "gradient message of rank " + header.from() + " on a connection that is not its own; refused");
            }
            return new Incoming(header, mailbox.stage(header));
        }

        @Override
        public void channelInactive(TransportClient client) {
            Integer rank = ranks.remove(client.getChannel().id());
            if (rank != null) {
                mailbox.lose(rank, "its connection closed");
            }
        }

        @Override
        public StreamManager getStreamManager() {
            return streams;
        }
    }

    private final class Incoming implements StreamCallbackWithID {
        private final Header header;
        private final ByteBuffer staged;

        Incoming(Header header, ByteBuffer staged) {
            this.header = header;
            this.staged = staged;
        }

        @Override
        public String getID() {
            return header.kind() + "-" + header.sequence() + "-" + header.from();
        }

        @Override
        public void onData(String streamId, ByteBuffer data) {
            if (data.remaining() > staged.remaining()) {
                throw new IllegalStateException(
                        "gradient message longer than the " + header.bytes() + " bytes announced");
            }
            staged.put(data);
        }

        @Override
        public void onComplete(String streamId) {
            if (staged.hasRemaining()) {
                throw new IllegalStateException(
                        "gradient message shorter than the " + header.bytes() + " bytes announced");
            }
            mailbox.deliver(header, staged.flip());
        }

        @Override
        public void onFailure(String streamId, Throwable cause) {
            mailbox.lose(header.from(), "its transfer broke off: " + cause);
        }
    }
}
