package dev.kindling.bench;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.coordinate.RankSession;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;

/**
 * What plain java.nio moves between the same two processes: blocking socket channels and direct buffers, no sums. One way,
 * and both ways at once, which is what an allreduce of two ranks needs: each sends and receives the array once.
 */
final class SocketYardstick {
    private static final int BUFFER_BYTES = 1 << 20;

    private final SocketChannel there;
    private final SocketChannel back;
    private final ByteBuffer out = ByteBuffer.allocateDirect(BUFFER_BYTES);
    private final ByteBuffer in = ByteBuffer.allocateDirect(BUFFER_BYTES);

    private SocketYardstick(SocketChannel there, SocketChannel back) {
        this.there = there;
        this.back = back;
    }

    /** The body of both ranks; rank 0's table is the result. */
    static byte[] time(RankSession member, AllReduce allReduce) throws IOException {
        StringBuilder table = new StringBuilder();
        try (ServerSocketChannel server =
                ServerSocketChannel.open().bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))) {
            double[][] ports = allReduce.allGather(new double[] {server.socket().getLocalPort()});
            int port = (int) ports[1 - member.rank()][0];
            try (SocketChannel outgoing =
                            SocketChannel.open(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
                    SocketChannel incoming = server.accept()) {
                outgoing.setOption(StandardSocketOptions.TCP_NODELAY, true);
                SocketYardstick yardstick = new SocketYardstick(outgoing, incoming);
                for (int length : AllReduceBench.LENGTHS) {
                    double oneWay = yardstick.median(allReduce, member.rank() == 0, member.rank() == 1, 4L * length);
                    double bothWays = yardstick.median(allReduce, true, true, 4L * length);
                    table.append(line("nio 1", length, oneWay)).append(line("nio 2", length, bothWays));
                    member.stepReached(length);
                }
            }
        }
        return table.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static String line(String name, int length, double millis) {
        return String.format(
                Locale.ROOT,
                "%-7s %,12d floats %9.3f ms %8.0f MB/s%n",
                name,
                length,
                millis,
                4.0 * length / millis / 1e3);
    }

    /** Until the receivers have everything, seen from this rank; the larger of both ranks. */
    private double median(AllReduce allReduce, boolean sends, boolean receives, long bytes) {
        double[] millis = new double[AllReduceBench.ROUNDS];
        for (int round = -AllReduceBench.WARM_UP; round < millis.length; round++) {
            allReduce.barrier();
            long begin = System.nanoTime();
            Thread sender = new Thread(() -> send(bytes));
            if (sends && receives) {
                sender.start();
            } else if (sends) {
                send(bytes);
            }
            if (receives) {
                receive(bytes);
            }
            double mine = (System.nanoTime() - begin) / 1e6;
            double slowest = Arrays.stream(allReduce.allGather(new double[] {mine}))
                    .mapToDouble(ofRank -> ofRank[0])
                    .max()
                    .orElseThrow();
            if (round >= 0) {
                millis[round] = slowest;
            }
        }
        Arrays.sort(millis);
        return millis[millis.length / 2];
    }

    private void send(long bytes) {
        try {
            for (long left = bytes; left > 0; ) {
                out.clear().limit((int) Math.min(BUFFER_BYTES, left));
                left -= there.write(out);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void receive(long bytes) throws UncheckedIOException {
        try {
            for (long left = bytes; left > 0; ) {
                in.clear().limit((int) Math.min(BUFFER_BYTES, left));
                left -= back.read(in);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
