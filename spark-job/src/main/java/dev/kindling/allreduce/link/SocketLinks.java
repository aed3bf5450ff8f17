package dev.kindling.allreduce.link;

import java.io.EOFException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Plain sockets with one selector. For each peer there are up to two connections: one that this rank only writes, once it
 * has reached it, and one that it only reads.
 */
final class SocketLinks implements Links {
    /** Small enough to stay in a core's cache on the way from the socket to the sum and back. */
    private static final int CHUNK_FLOATS = 1 << 16;
    /** A peer that has closed its end of one connection closes the other, or has more to say, within this time. */
    private static final long HALF_CLOSED_NANOS = 1_000_000_000L;

    private final Group group;
    private final SocketEndpoint endpoint;
    private final Mailbox mailbox;
    private final Selector selector;
    private final Outgoing[] outgoing;
    private final Incoming[] incoming;
    private long queuedBytes;

    SocketLinks(Group group, SocketEndpoint endpoint) {
        this.group = group;
        this.endpoint = endpoint;
        this.mailbox = endpoint.mailbox();
        this.selector = endpoint.selector();
        this.outgoing = new Outgoing[group.worldSize()];
        this.incoming = new Incoming[group.worldSize()];
    }

    @Override
    public void reach(List<Integer> ranks) {
        List<Integer> missing =
                ranks.stream().filter(rank -> outgoing[rank] == null).toList();
        if (!missing.isEmpty()) {
            Connections.open(
                    group,
                    missing,
                    peer -> connect(peer).ifPresent(key -> outgoing[peer.rank()] = new Outgoing(peer.rank(), key)));
        }
    }

    private Optional<SelectionKey> connect(Peer peer) {
        SocketChannel channel = null;
        try {
            channel = SocketChannel.open();
            int millis = (int) Math.min(Integer.MAX_VALUE, group.timeoutMillis());
            channel.socket().connect(new InetSocketAddress(peer.host(), peer.port()), millis);
            endpoint.handshake().greet(channel.socket(), group.rank(), millis);
            SocketEndpoint.configure(channel);
            return Optional.of(channel.register(selector, 0)); // nothing is ready before it is attached
        } catch (IOException e) {
            if (channel != null) {
                SocketEndpoint.closeQuietly(channel);
            }
            mailbox.lose(peer.rank(), "it cannot be reached at port " + peer.port() + ": " + e);
            return Optional.empty();
        }
    }

    @Override
    public int chunkFloats() {
        return CHUNK_FLOATS;
    }

    @Override
    public long queuedBytes() {
        return queuedBytes;
    }

    @Override
    public void send(Header.Kind kind, long sequence, int to, ByteBuffer payload) {
        send(kind, sequence, to, payload, new AtomicInteger(1));
    }

    @Override
    public void sendToAll(Header.Kind kind, long sequence, ByteBuffer payload) {
        AtomicInteger users = new AtomicInteger(group.worldSize() - 1);
        for (int step = 1; step < group.worldSize(); step++) {
            send(kind, sequence, (group.rank() + step) % group.worldSize(), payload, users);
        }
    }

    private void send(Header.Kind kind, long sequence, int to, ByteBuffer payload, AtomicInteger users) {
        if (outgoing[to] != null) {
            outgoing[to].add(kind, sequence, payload, users);
        } else if (users.decrementAndGet() == 0) {
            mailbox.pool().giveBack(payload);
        }
    }

    @Override
    public void poll(long millis) {
        try {
            for (var peer = endpoint.accepted().poll();
                    peer != null;
                    peer = endpoint.accepted().poll()) {
                listen(peer);
            }
            selector.select(key -> ((Ready) key.attachment()).run(), millis);
            loseHalfClosed();
        } catch (ClosedSelectorException e) {
            mailbox.close();
        } catch (IOException e) {
            throw new AllReduceException("waiting for the peers' sockets failed: " + e, e);
        }
    }

    private void listen(SocketEndpoint.Accepted peer) throws IOException {
        if (incoming[peer.rank()] != null) {
            SocketEndpoint.closeQuietly(peer.channel());
            return;
        }
        incoming[peer.rank()] = new Incoming(peer.rank(), peer.channel());
        peer.channel().register(selector, SelectionKey.OP_READ, incoming[peer.rank()]);
    }

    /**
     * Both may wait for ever where a peer no longer reads, but has not closed the connection on which it writes. A peer that
     * is done closes both; what it sent before is read first.
     */
    private void loseHalfClosed() {
        for (int rank = 0; rank < outgoing.length; rank++) {
            if (outgoing[rank] != null && outgoing[rank].endedAt != 0) {
                long heard = incoming[rank] == null ? 0 : incoming[rank].readAt;
                if (System.nanoTime() - Math.max(outgoing[rank].endedAt, heard) > HALF_CLOSED_NANOS) {
                    mailbox.lose(rank, "it has closed its end of the connection to here");
                }
            }
        }
    }

    @Override
    public void wake() {
        selector.wakeup();
    }

    @Override
    public void close() {
        if (selector.isOpen()) {
            selector.keys().forEach(key -> SocketEndpoint.closeQuietly(key.channel()));
        }
    }

    /** What to do when a channel is ready. */
    private interface Ready extends Runnable {}

    private final class Outgoing implements Ready {
        private record Message(ByteBuffer[] parts, ByteBuffer pooled, AtomicInteger users) {}

        private final int rank;
        private final SelectionKey key;
        private final SocketChannel channel;
        private final Deque<Message> queue = new ArrayDeque<>();
        /** When the peer was seen to have closed its end; 0 before. */
        private long endedAt;

        Outgoing(int rank, SelectionKey key) {
            this.rank = rank;
            this.key = key;
            this.channel = (SocketChannel) key.channel();
            key.attach(this);
            write();
        }

        void add(Header.Kind kind, long sequence, ByteBuffer payload, AtomicInteger users) {
            Header header = new Header(group.generation(), group.rank(), kind, sequence, payload.remaining());
            queuedBytes += payload.remaining();
            queue.add(new Message(new ByteBuffer[] {header.encode(), payload.duplicate()}, payload, users));
            if (queue.size() == 1) {
                write();
            }
        }

        @Override
        public void run() {
            if (endedAt == 0 && key.isValid() && key.isReadable() && isAtEnd()) {
                endedAt = System.nanoTime();
            }
            write();
        }

        /** Peers send nothing on this connection. */
        private boolean isAtEnd() {
            try {
                return channel.read(ByteBuffer.allocate(1)) != 0;
            } catch (IOException e) { // a reset; what is in the way to here on the other connection counts
                return true;
            }
        }

        private void write() {
            int read = endedAt == 0 ? SelectionKey.OP_READ : 0;
            try {
                while (!queue.isEmpty()) {
                    Message message = queue.peek();
                    ByteBuffer payload = message.parts[1];
                    int before = payload.remaining();
                    channel.write(message.parts);
                    queuedBytes -= before - payload.remaining();
                    if (message.parts[0].hasRemaining() || payload.hasRemaining()) {
                        key.interestOps(read | SelectionKey.OP_WRITE);
                        return;
                    }
                    queue.remove();
                    if (message.users.decrementAndGet() == 0) {
                        mailbox.pool().giveBack(message.pooled);
                    }
                }
                key.interestOps(read);
            } catch (IOException | CancelledKeyException e) {
                mailbox.lose(rank, "it cannot be reached: " + e.getMessage());
                queue.forEach(message -> queuedBytes -= message.parts[1].remaining());
                queue.clear();
                SocketEndpoint.closeQuietly(channel);
            }
        }
    }

    private final class Incoming implements Ready {
        private final int rank;
        private final SocketChannel channel;
        private final ByteBuffer head = ByteBuffer.allocateDirect(Header.SIZE);
        private Header header;
        private ByteBuffer payload;
        private long readAt;

        Incoming(int rank, SocketChannel channel) {
            this.rank = rank;
            this.channel = channel;
        }

        /** Reads at most to the end of one message, so that it is processed while it is in the cache. */
        @Override
        public void run() {
            readAt = System.nanoTime();
            try {
                if (header == null && read(head)) {
                    header = Header.decode(head.flip(), group.generation(), group.worldSize());
                    head.clear();
                    if (header.from() != rank) {
                        throw new IllegalArgumentException(
                                "rank " + rank + " sent a gradient message in the name of rank " + header.from());
                    }
                    payload = mailbox.stage(header);
                }
                if (header != null && read(payload)) {
                    Header complete = header;
                    header = null;
                    mailbox.deliver(complete, payload.flip());
                }
            } catch (IOException | IllegalArgumentException e) {
                mailbox.lose(rank, e.getMessage());
                SocketEndpoint.closeQuietly(channel);
            }
        }

        /** Whether {@code into} is full. */
        private boolean read(ByteBuffer into) throws IOException {
            if (into.hasRemaining() && channel.read(into) < 0) {
                throw new EOFException("its connection closed");
            }
            return !into.hasRemaining();
        }
    }
}
