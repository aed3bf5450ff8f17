package dev.kindling.doctor;

import dev.kindling.allreduce.AllReduce;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The plain TCP bandwidth from every rank to every rank, itself included, one pair at a time: what the network gives,
 * whatever Kindling's transports make of it. Each rank listens on a port of its own while it measures and takes only
 * connections that begin with a secret, which travels over the generation's own channel.
 */
final class PairBandwidth {
    private static final Logger LOG = LoggerFactory.getLogger(PairBandwidth.class);
    private static final int PAYLOAD_BYTES = 64 << 20;
    private static final int CHUNK_BYTES = 1 << 18;
    private static final int SECRET_BYTES = 32;
    private static final int PATIENCE_MILLIS = 15_000;
    private static final double SLOW_MEGABYTES_PER_SECOND = 100;

    private final AllReduce channel;
    private final String host;

    /** @param host at which the other ranks reach this one */
    PairBandwidth(AllReduce channel, String host) {
        this.channel = channel;
        this.host = host;
    }

    /** What this rank sent to each; all ranks must call it. Every wait is bounded by 15 s. */
    List<Finding> measure() throws IOException {
        byte[] secret = new byte[SECRET_BYTES];
        new SecureRandom().nextBytes(secret);
        secret = channel.broadcast(secret);
        try (ServerSocket server = new ServerSocket()) {
            server.bind(new InetSocketAddress(host, 0));
            server.setSoTimeout(PATIENCE_MILLIS);
            byte[][] roster = channel.allGather((host + " " + server.getLocalPort()).getBytes(StandardCharsets.UTF_8));
            List<Finding> findings = new ArrayList<>();
            for (int from = 0; from < roster.length; from++) {
                for (int to = 0; to < roster.length; to++) {
                    findings.addAll(pair(from, to, server, roster, secret));
                    channel.barrier();
                }
            }
            return findings;
        }
    }

    private List<Finding> pair(int from, int to, ServerSocket server, byte[][] roster, byte[] secret) {
        int rank = channel.rank();
        String where = "rank " + from + " -> rank " + to;
        Receiver receiver = null;
        if (rank == to) {
            receiver = new Receiver(server, secret);
            receiver.start();
        }
        List<Finding> findings = new ArrayList<>();
        if (rank == from) {
            String[] address = new String(roster[to], StandardCharsets.UTF_8).split(" ");
            try {
                findings.add(judge(where, send(address[0], Integer.parseInt(address[1]), secret)));
            } catch (IOException e) {
                findings.add(Finding.fail(
                        "bandwidth",
                        where,
                        "no connection to " + address[0] + ": " + e.getMessage(),
                        "let executors reach each other's ports: firewall, network policy, SPARK_LOCAL_IP"));
            }
        }
        if (receiver != null) {
            receiver.await();
        }
        return findings;
    }

    private static Finding judge(String where, double megabytesPerSecond) {
        String found = String.format(Locale.ROOT, "%,.0f MB/s", megabytesPerSecond);
        return megabytesPerSecond >= SLOW_MEGABYTES_PER_SECOND
                ? Finding.ok("bandwidth", where, found)
                : Finding.warn(
                        "bandwidth",
                        where,
                        found,
                        "below 1 Gbit/s the allreduce will dominate: use a faster network or fewer, larger executors");
    }

    /** Sends the payload and waits for the answer; 10^6 bytes a second. */
    private static double send(String host, int port, byte[] secret) throws IOException {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(host, port), PATIENCE_MILLIS);
            socket.setSoTimeout(PATIENCE_MILLIS);
            OutputStream out = socket.getOutputStream();
            out.write(secret);
            byte[] chunk = new byte[CHUNK_BYTES];
            long began = System.nanoTime();
            for (int sent = 0; sent < PAYLOAD_BYTES; sent += CHUNK_BYTES) {
                out.write(chunk);
            }
            out.flush();
            if (socket.getInputStream().read() != 1) {
                throw new IOException("the receiver broke off");
            }
            return PAYLOAD_BYTES / ((System.nanoTime() - began) / 1e9) / 1e6;
        }
    }

    /** Takes one payload on a thread of its own, since a rank also sends to itself. */
    private static final class Receiver extends Thread {
        private final ServerSocket server;
        private final byte[] secret;

        Receiver(ServerSocket server, byte[] secret) {
            super("kindling-doctor-receiver");
            setDaemon(true);
            this.server = server;
            this.secret = secret;
        }

        /** A failure here closes the connection, which the sender sees and reports. */
        @Override
        public void run() {
            try (Socket socket = server.accept()) {
                socket.setSoTimeout(PATIENCE_MILLIS);
                InputStream in = socket.getInputStream();
                byte[] said = new byte[SECRET_BYTES];
                new DataInputStream(in).readFully(said);
                if (!MessageDigest.isEqual(said, secret)) {
                    return;
                }
                ByteBuffer chunk = ByteBuffer.allocate(CHUNK_BYTES);
                int left = PAYLOAD_BYTES;
                while (left > 0) {
                    int read = in.read(chunk.array(), 0, Math.min(CHUNK_BYTES, left));
                    if (read < 0) {
                        return;
                    }
                    left -= read;
                }
                socket.getOutputStream().write(1);
            } catch (IOException e) {
                LOG.warn("bandwidth check: {}", e.toString());
            }
        }

        void await() {
            try {
                join(2L * PATIENCE_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
