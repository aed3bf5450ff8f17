package dev.kindling.allreduce.link;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.spark.network.buffer.NioManagedBuffer;
import org.apache.spark.network.client.RpcResponseCallback;
import org.apache.spark.network.client.TransportClient;

/** Connections by streams of Spark's transport, which reads and writes on its own threads. */
final class StreamLinks implements Links {
    /** Messages are long, because each one costs a reply. */
    private static final int CHUNK_FLOATS = Header.MAX_CHUNK_FLOATS;

    private final Group group;
    private final StreamEndpoint endpoint;
    private final Mailbox mailbox;
    private final TransportClient[] clients;
    private final AtomicLong queuedBytes = new AtomicLong();

    StreamLinks(Group group, StreamEndpoint endpoint) {
        this.group = group;
        this.mailbox = endpoint.mailbox();
        this.clients = new TransportClient[group.worldSize()];
        this.endpoint = endpoint;
    }

    @Override
    public void reach(List<Integer> ranks) {
        List<Integer> missing =
                ranks.stream().filter(rank -> clients[rank] == null).toList();
        if (!missing.isEmpty()) {
            Connections.open(group, missing, this::connect);
        }
    }

    private void connect(Peer peer) {
        TransportClient client = null;
        try {
            client = endpoint.transport().connect(peer);
            greet(client, peer);
            clients[peer.rank()] = client;
        } catch (AllReduceException e) {
            if (client != null) {
                client.close();
            }
            mailbox.lose(peer.rank(), "it cannot be reached: " + e.getMessage());
        }
    }

    private void greet(TransportClient client, Peer peer) {
        ByteBuffer hello = new Header(group.generation(), group.rank(), Header.Kind.HELLO, 0, 0).encode();
        try {
            client.sendRpcSync(hello, group.timeoutMillis());
        } catch (RuntimeException e) {
            throw new AllReduceException(peer.describe() + " did not answer: " + e, e);
        }
    }

    @Override
    public int chunkFloats() {
        return CHUNK_FLOATS;
    }

    @Override
    public long queuedBytes() {
        return queuedBytes.get();
    }

    @Override
    public void send(Header.Kind kind, long sequence, int to, ByteBuffer payload) {
        upload(kind, sequence, to, payload, new AtomicInteger(1));
    }

    @Override
    public void sendToAll(Header.Kind kind, long sequence, ByteBuffer payload) {
        AtomicInteger users = new AtomicInteger(group.worldSize() - 1);
        for (int step = 1; step < group.worldSize(); step++) {
            upload(kind, sequence, (group.rank() + step) % group.worldSize(), payload, users);
        }
    }

    private void upload(Header.Kind kind, long sequence, int to, ByteBuffer payload, AtomicInteger users) {
        if (clients[to] == null) {
            release(payload, users);
            return;
        }
        Header header = new Header(group.generation(), group.rank(), kind, sequence, payload.remaining());
        queuedBytes.addAndGet(header.bytes());
        RpcResponseCallback done = new RpcResponseCallback() {
            @Override
            public void onSuccess(ByteBuffer response) {
                queuedBytes.addAndGet(-header.bytes());
                mailbox.wake();
                release(payload, users);
            }

            @Override
            public void onFailure(Throwable cause) {
                queuedBytes.addAndGet(-header.bytes());
                mailbox.lose(to, "it cannot be reached: " + cause.getMessage());
            }
        };
        clients[to].uploadStream(
                new NioManagedBuffer(header.encode()), new NioManagedBuffer(payload.duplicate()), done);
    }

    private void release(ByteBuffer payload, AtomicInteger users) {
        if (users.decrementAndGet() == 0) {
            mailbox.pool().giveBack(payload);
        }
    }

    @Override
    public void poll(long millis) {
        mailbox.awaitNews(millis);
    }

    @Override
    public void wake() {
        mailbox.wake();
    }

    @Override
    public void close() {
        for (TransportClient client : clients) {
            if (client != null) {
                client.close();
            }
        }
    }
}
