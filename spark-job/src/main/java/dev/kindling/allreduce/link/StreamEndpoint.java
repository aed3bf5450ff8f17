package dev.kindling.allreduce.link;

import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.network.client.RpcResponseCallback;
import org.apache.spark.network.client.StreamCallbackWithID;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.server.OneForOneStreamManager;
import org.apache.spark.network.server.RpcHandler;
import org.apache.spark.network.server.StreamManager;

/** A server of Spark's transport, authenticated and encrypted as Spark's own connections are. */
final class StreamEndpoint extends MeshEndpoint {
    private final int generation;
    private final int worldSize;
    private final PeerTransport transport;

    StreamEndpoint(int generation, int worldSize, long maxElements) {
        super(worldSize, maxElements);
        this.generation = generation;
        this.worldSize = worldSize;
        this.transport = PeerTransport.serve(new Handler());
    }

    @Override
    public int port() {
        return transport.port();
    }

    PeerTransport transport() {
        return transport;
    }

    @Override
    public Links connect(Group group) {
        return new StreamLinks(group, this);
    }

    @Override
    public void close() {
        mailbox().close();
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
            return new Incoming(header, mailbox().stage(header));
        }

        @Override
        public void channelInactive(TransportClient client) {
            Integer rank = ranks.remove(client.getChannel().id());
            if (rank != null) {
                mailbox().lose(rank, "its connection closed");
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
            mailbox().deliver(header, staged.flip());
        }

        @Override
        public void onFailure(String streamId, Throwable cause) {
            mailbox().lose(header.from(), "its transfer broke off: " + cause);
        }
    }
}
