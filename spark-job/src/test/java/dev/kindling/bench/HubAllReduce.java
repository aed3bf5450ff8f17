package dev.kindling.bench;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.Operands;
import dev.kindling.allreduce.SumOrder;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;

/** What ranks of a benchmark tell each other by way of the process that started them; gradients go another way. */
final class HubAllReduce implements AllReduce {
    private static final int SILENCE_MILLIS = 60_000;

    private final int rank;
    private final int worldSize;
    private final Socket hub;
    private final DataInputStream in;
    private final DataOutputStream out;

    HubAllReduce(int rank, int worldSize, int port) throws IOException {
        this.rank = rank;
        this.worldSize = worldSize;
        hub = new Socket(InetAddress.getLoopbackAddress(), port);
        hub.setTcpNoDelay(true);
        hub.setSoTimeout(SILENCE_MILLIS);
        in = new DataInputStream(hub.getInputStream());
        out = new DataOutputStream(hub.getOutputStream());
        out.writeInt(rank);
    }

    /** Serves so many ranks until they leave. */
    static void serve(ServerSocket server, int ranks) throws IOException {
        DataInputStream[] from = new DataInputStream[ranks];
        List<DataOutputStream> to = new ArrayList<>();
        for (int i = 0; i < ranks; i++) {
            Socket socket = server.accept();
            socket.setTcpNoDelay(true);
            DataInputStream in = new DataInputStream(socket.getInputStream());
            from[in.readInt()] = in;
            to.add(new DataOutputStream(socket.getOutputStream()));
        }
        try {
            while (true) {
                List<byte[]> all = new ArrayList<>();
                for (DataInputStream in : from) {
                    all.add(in.readNBytes(in.readInt()));
                }
                for (DataOutputStream out : to) {
                    for (byte[] one : all) {
                        out.writeInt(one.length);
                        out.write(one);
                    }
                    out.flush();
                }
            }
        } catch (EOFException e) {
            // A rank has left.
        }
    }

    @Override
    public String name() {
        return "hub";
    }

    @Override
    public int rank() {
        return rank;
    }

    @Override
    public int worldSize() {
        return worldSize;
    }

    @Override
    public byte[][] allGather(byte[] payload) {
        try {
            out.writeInt(payload.length);
            out.write(payload);
            out.flush();
            byte[][] all = new byte[worldSize][];
            for (int r = 0; r < worldSize; r++) {
                all[r] = in.readNBytes(in.readInt());
            }
            return all;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public long submit(SumOrder order, Operands operands, int offset, int length) {
        throw new UnsupportedOperationException("the hub sums nothing");
    }

    @Override
    public void await(long submitted) {}

    @Override
    public void close() {
        try {
            hub.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
