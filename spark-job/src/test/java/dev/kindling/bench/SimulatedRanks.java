package dev.kindling.bench;

import dev.kindling.allreduce.link.Peer;
import dev.kindling.coordinate.WatchedGeneration;
import dev.kindling.coordinate.message.MessageCodec;
import dev.kindling.coordinate.message.RankMessage;
import dev.kindling.coordinate.message.Topic;
import dev.kindling.train.RankReport;
import dev.kindling.train.StepReport;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.apache.spark.SecurityManager;
import org.apache.spark.SparkConf;
import org.apache.spark.internal.config.package$;
import org.apache.spark.network.TransportContext;
import org.apache.spark.network.client.RpcResponseCallback;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.client.TransportClientFactory;
import org.apache.spark.network.netty.SparkTransportConf;
import org.apache.spark.network.server.NoOpRpcHandler;
import org.apache.spark.rpc.RpcAddress;
import org.apache.spark.rpc.RpcEnv;
import org.apache.spark.rpc.netty.NettyRpcEndpointRef;
import org.apache.spark.rpc.netty.NettyRpcEnv;
import org.apache.spark.rpc.netty.RequestMessage;
import scala.Option;

/**
 * The process of {@link ThousandRanksBench} that says what many ranks say to their driver, each over a connection of its own
 * and as often as a real one: it joins, its heart beats, and it reports its steps, several in a message. Arguments: the
 * driver's host and port, the number of ranks, steps a second.
 */
public final class SimulatedRanks {
    private static final int GENERATION = 1;
    /** Ranks that join within a second: a cluster does not start its tasks all at once. */
    private static final int JOINS_A_SECOND = 500;

    private final NettyRpcEnv rpc;
    private final NettyRpcEndpointRef driver;
    private final List<TransportClient> connections = new ArrayList<>();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private final int worldSize;

    private SimulatedRanks(String host, int port, int worldSize) throws IOException, InterruptedException {
        this.worldSize = worldSize;
        SparkConf conf = new SparkConf(false);
        SecurityManager security = new SecurityManager(conf, Option.empty(), package$.MODULE$.AUTH_SECRET_FILE());
        rpc = (NettyRpcEnv) RpcEnv.create("ranks", host, 0, conf, security, true);
        driver = (NettyRpcEndpointRef) rpc.setupEndpointRef(new RpcAddress(host, port), "kindling-coordinator");
        TransportContext transport = new TransportContext(
                SparkTransportConf.fromSparkConf(conf, "rpc", 1, Option.empty(), Option.empty()), new NoOpRpcHandler());
        TransportClientFactory factory = transport.createClientFactory();
        for (int rank = 0; rank < worldSize; rank++) {
            connections.add(factory.createUnmanagedClient(host, port));
        }
    }

    /** Runs until it is killed. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        SimulatedRanks ranks =
                new SimulatedRanks(arguments[0], Integer.parseInt(arguments[1]), Integer.parseInt(arguments[2]));
        ranks.join();
        ranks.train(Double.parseDouble(arguments[3]));
    }

    private void join() throws InterruptedException {
        for (int rank = 0; rank < worldSize; rank++) {
            Peer peer = new Peer(rank, "node" + rank, 40_000, Integer.toString(rank), "0");
            send(new RankMessage.Join(GENERATION, rank, peer));
            report(
                    rank,
                    List.of(RankReport.TOPIC.wrap(new RankReport(peer.describe(), "", "ring", "scratch", List.of()))));
            if (rank % 10 == 9) {
                Thread.sleep(10_000 / JOINS_A_SECOND);
            }
        }
    }

    private void train(double stepsPerSecond) {
        long beat = WatchedGeneration.beatMillis(worldSize) * 1_000_000L;
        long report = WatchedGeneration.reportMillis(worldSize) * 1_000_000L;
        long[] nextBeat = new long[worldSize];
        long[] nextReport = new long[worldSize];
        long[] reported = new long[worldSize];
        for (int rank = 0; rank < worldSize; rank++) {
            nextBeat[rank] = beat * rank / worldSize;
            nextReport[rank] = report * rank / worldSize;
        }
        long begin = System.nanoTime();
        while (failure.get() == null) {
            long now = System.nanoTime() - begin;
            long step = (long) (now / 1e9 * stepsPerSecond);
            for (int rank = 0; rank < worldSize; rank++) {
                if (now >= nextBeat[rank]) {
                    nextBeat[rank] += beat;
                    send(new RankMessage.Heartbeat(GENERATION, rank, step, "training", step, false, 0));
                }
                if (now >= nextReport[rank]) {
                    nextReport[rank] += report;
                    report(rank, steps(rank, reported[rank] + 1, step, stepsPerSecond));
                    reported[rank] = step;
                }
            }
            LockSupport.parkNanos(1_000_000);
        }
        throw new IllegalStateException("a message did not reach the driver", failure.get());
    }

    private List<Topic.Value> steps(int rank, long from, long to, double stepsPerSecond) {
        List<Topic.Value> values = new ArrayList<>();
        double millis = 1000 / stepsPerSecond;
        for (long step = from; step <= to; step++) {
            double compute = millis * (0.8 + 0.1 * Math.sin((double) rank + step));
            values.add(StepReport.TOPIC.wrap(new StepReport(
                    step, 4.2, 1024L * worldSize, 1024, 1e-3, 0.731, 0.02, compute, millis - compute - 0.02, null)));
        }
        return values;
    }

    private void report(int rank, List<Topic.Value> values) {
        if (!values.isEmpty()) {
            send(new RankMessage.Reports(GENERATION, rank, values));
        }
    }

    private void send(RankMessage message) {
        ByteBuffer request = new RequestMessage(null, driver, MessageCodec.encode(message)).serialize(rpc);
        connections.get(message.rank()).sendRpc(request, new RpcResponseCallback() {
            @Override
            public void onSuccess(ByteBuffer response) {
                // What it says is the driver's affair: the bench looks whether all steps arrive.
            }

            @Override
            public void onFailure(Throwable cause) {
                failure.compareAndSet(null, cause);
            }
        });
    }
}
