package dev.kindling.allreduce.link;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a stranger can do at a port of plain sockets, and what a rank may send. */
@Timeout(30)
class SocketEndpointTest {
    private static final long PATIENCE_MILLIS = 5_000;
    private final SocketEndpoint endpoint = open(7);

    private static SocketEndpoint open(int generation) {
        return new SocketEndpoint(new Handshake("correct horse", generation, 2), "127.0.0.1", 1000);
    }

    @AfterEach
    void close() {
        endpoint.close();
    }

    private Socket call() throws IOException {
        Socket socket = new Socket(InetAddress.getLoopbackAddress(), endpoint.port());
        socket.setSoTimeout((int) PATIENCE_MILLIS);
        return socket;
    }

    @Test
    void anotherSecretIsRefusedByBothSides() throws IOException {
        Handshake other = new Handshake("guess", 7, 2);
        try (Socket socket = call()) {
            assertThatThrownBy(() -> other.greet(socket, 1, PATIENCE_MILLIS))
                    .hasMessageContaining("does not know this application's secret");
        }
        try (Socket socket = call()) {
            byte[] hello = new Header(7, 1, Header.Kind.HELLO, 0, 0).encode().array();
            socket.getOutputStream().write(hello);
            socket.getOutputStream().write(new byte[32]);
            assertThat(socket.getInputStream().readNBytes(64)).hasSize(64);
            socket.getOutputStream().write(new byte[32]);
            assertThat(socket.getInputStream().read()).isEqualTo(-1);
        }
        assertThat(endpoint.accepted()).isEmpty();
    }

    @Test
    void aReplayedProofIsRefused() throws IOException {
        // What a listener has seen of one connection is worth nothing on the next: the server's nonce is new.
        try (Socket first = call();
                Socket second = call()) {
            new Handshake("correct horse", 7, 2).greet(first, 1, PATIENCE_MILLIS);
            second.getOutputStream().write(new byte[Header.SIZE + 32]);
            byte[] once = second.getInputStream().readNBytes(64);
            second.getOutputStream().write(once, 32, 32);
            assertThat(second.getInputStream().read()).isEqualTo(-1);
        }
    }

    @Test
    void anotherGenerationAndAnImpossibleRankAreNamed() throws IOException {
        try (Socket socket = call()) {
            assertThatThrownBy(() -> new Handshake("correct horse", 6, 2).greet(socket, 1, PATIENCE_MILLIS))
                    .hasMessageContaining("message of generation 6 refused, this is generation 7");
        }
        try (Socket socket = call()) {
            assertThatThrownBy(() -> new Handshake("correct horse", 7, 10).greet(socket, 9, PATIENCE_MILLIS))
                    .hasMessageContaining("rank 9 of 2");
        }
    }

    @Test
    void whatARankSendsIsBoundedAndItsOwn() throws IOException {
        assertThat(lossAfter(new Header(7, 1, Header.Kind.RESULT, 0, Integer.MAX_VALUE)))
                .contains("2147483647 bytes refused");
        assertThat(lossAfter(new Header(7, 0, Header.Kind.RESULT, 0, 4))).contains("in the name of rank 0");
        assertThat(lossAfter(new Header(6, 1, Header.Kind.RESULT, 0, 4))).contains("generation 6 refused");
    }

    /** Why rank 1 is lost after it has sent this header to rank 0. */
    private static String lossAfter(Header header) throws IOException {
        try (SocketEndpoint mine = open(7);
                SocketEndpoint theirs = open(7)) {
            List<Peer> peers = List.of(peer(0, mine), peer(1, theirs));
            Group group = new Group(7, 0, peers, PATIENCE_MILLIS, () -> {});
            try (Links links = mine.connect(group);
                    Socket socket = new Socket(InetAddress.getLoopbackAddress(), mine.port())) {
                new Handshake("correct horse", 7, 2).greet(socket, 1, PATIENCE_MILLIS);
                socket.getOutputStream().write(header.encode().array());
                Deadline deadline = new Deadline(PATIENCE_MILLIS);
                while (mine.mailbox().lossOf(1) == null && !deadline.passed()) {
                    links.poll(50);
                }
            }
            return mine.mailbox().lossOf(1);
        }
    }

    /** Else both wait: it for what cannot reach it, this rank for its answer. */
    @Test
    void aPeerThatClosesOnlyTheConnectionThatItReadsIsLost() throws IOException {
        try (SocketEndpoint mine = open(7);
                SocketEndpoint theirs = open(7)) {
            Group group = new Group(7, 0, List.of(peer(0, mine), peer(1, theirs)), 2 * PATIENCE_MILLIS, () -> {});
            try (Links links = mine.connect(group);
                    Socket writing = new Socket(InetAddress.getLoopbackAddress(), mine.port())) {
                new Handshake("correct horse", 7, 2).greet(writing, 1, PATIENCE_MILLIS);
                links.reach(List.of(1));
                Deadline deadline = new Deadline(3 * PATIENCE_MILLIS);
                while (mine.mailbox().lossOf(1) == null && !deadline.passed()) {
                    SocketEndpoint.Accepted reading = theirs.accepted().poll();
                    if (reading != null) {
                        reading.channel().close();
                    }
                    links.poll(50);
                }
            }
            assertThat(mine.mailbox().lossOf(1)).contains("closed its end");
        }
    }

    private static Peer peer(int rank, SocketEndpoint endpoint) {
        return new Peer(rank, "127.0.0.1", endpoint.port(), Integer.toString(rank), "");
    }
}
