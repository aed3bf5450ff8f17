package dev.kindling.allreduce.link;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A server of plain sockets. Each caller goes through the {@link Handshake} on a thread of its own, of which there is a
 * bounded number; nothing else is read from it before that.
 */
public final class SocketEndpoint extends MeshEndpoint {
    private static final Logger LOG = LoggerFactory.getLogger(SocketEndpoint.class);
    private static final long HANDSHAKE_MILLIS = 10_000;
    private static final int SPARE_HANDSHAKES = 16;

    /** A peer's connection, from which this rank reads. */
    record Accepted(int rank, SocketChannel channel) {}

    private final Handshake handshake;
    private final ServerSocketChannel server;
    private final Selector selector;
    private final Queue<Accepted> accepted = new ConcurrentLinkedQueue<>();
    private final Semaphore handshakes;

    public SocketEndpoint(Handshake handshake, String host, long maxElements) {
        super(handshake.worldSize(), maxElements);
        this.handshake = handshake;
        this.handshakes = new Semaphore(handshake.worldSize() + SPARE_HANDSHAKES);
        try {
            selector = Selector.open();
            server = ServerSocketChannel.open()
                    .bind(new InetSocketAddress(host, 0), SPARE_HANDSHAKES + handshake.worldSize());
        } catch (IOException e) {
            throw new IllegalStateException(
                    "cannot open a port for gradients on " + host + ": " + e.getMessage()
                            + "; free ports or file handles there",
                    e);
        }
        Thread acceptor = new Thread(this::accept, "kindling-ring-accept-" + handshake.generation());
        acceptor.setDaemon(true);
        acceptor.start();
    }

    @Override
    public int port() {
        return server.socket().getLocalPort();
    }

    Handshake handshake() {
        return handshake;
    }

    Selector selector() {
        return selector;
    }

    /** Connections that are not registered with the selector yet. */
    Queue<Accepted> accepted() {
        return accepted;
    }

    @Override
    public Links connect(Group group) {
        return new SocketLinks(group, this);
    }

    private void accept() {
        try {
            while (server.isOpen()) {
                SocketChannel caller = server.accept();
                if (!handshakes.tryAcquire()) {
                    LOG.warn("too many callers at once; {} is turned away", caller.getRemoteAddress());
                    closeQuietly(caller);
                    continue;
                }
                Thread greeter = new Thread(() -> welcome(caller), "kindling-ring-handshake");
                greeter.setDaemon(true);
                greeter.start();
            }
        } catch (ClosedChannelException e) {
            // Closed by close().
        } catch (IOException e) {
            LOG.error("no more peers can connect to this rank's gradient port: {}", e.toString());
        }
    }

    private void welcome(SocketChannel caller) {
        try {
            int rank = handshake.answer(caller.socket(), HANDSHAKE_MILLIS);
            configure(caller);
            accepted.add(new Accepted(rank, caller));
            if (selector.isOpen()) {
                selector.wakeup();
            } else {
                closeQuietly(caller);
            }
        } catch (IOException e) {
            LOG.warn("a caller of this rank's gradient port is refused: {}", e.getMessage());
            closeQuietly(caller);
        } finally {
            handshakes.release();
        }
    }

    static void configure(SocketChannel channel) throws IOException {
        channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
        channel.configureBlocking(false);
    }

    static void closeQuietly(AutoCloseable closeable) {
        try {
            closeable.close();
        } catch (Exception e) {
            LOG.debug("closing {}: {}", closeable, e.toString());
        }
    }

    @Override
    public void close() {
        mailbox().close();
        closeQuietly(server);
        closeQuietly(selector);
        for (Accepted peer = accepted.poll(); peer != null; peer = accepted.poll()) {
            closeQuietly(peer.channel());
        }
    }
}
