package dev.kindling.bench;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.Rounding;
import dev.kindling.allreduce.SumOrder;
import dev.kindling.coordinate.Coordinator;
import dev.kindling.coordinate.EmbeddedCluster;
import dev.kindling.coordinate.FixedRanks;
import dev.kindling.coordinate.GenerationBody;
import dev.kindling.coordinate.GenerationPlan;
import dev.kindling.coordinate.Generations;
import dev.kindling.coordinate.RankSession;
import dev.kindling.coordinate.TopicHandlers;
import dev.kindling.coordinate.Transport;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * Time of an allreduce against its size, per transport, between real executor processes on this host. Prints the
 * median of 9 after 5 warm-up rounds and the payload a rank sends and receives per second, in fp32 and in bf16 with the
 * sums' error feedback, with a line fitted; for two executors also what
 * plain sockets take ({@link SocketYardstick}), and what GPUs take ({@link GpuYardstick}) where there is one for each. Needs the environment of
 * the tests (SPARK_HOME, SPARK_SCALA_VERSION, SPARK_LOCAL_IP). Argument: number of executors (default 2), then
 * "secure" for authentication with encryption.
 */
public final class AllReduceBench {
    static final int[] LENGTHS = {1, 1 << 10, 1 << 14, 1 << 17, 804_096, 1 << 22, 10_770_816};
    static final int WARM_UP = 5;
    static final int ROUNDS = 9;

    private AllReduceBench() {}

    /** Runs the benchmark. */
    public static void main(String[] arguments) {
        int executors = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 2;
        boolean secure = arguments.length > 1 && arguments[1].equals("secure");
        String full = "-XX:+UseParallelGC";
        Map<String, String> plain = Map.of("spark.executor.extraJavaOptions", full);
        Map<String, String> security = Map.of(
                "spark.executor.extraJavaOptions", full,
                "spark.authenticate", "true",
                "spark.authenticate.secret", "bench",
                "spark.network.crypto.enabled", "true");
        try (EmbeddedCluster cluster = new EmbeddedCluster(executors, secure ? security : plain);
                Coordinator coordinator = new Coordinator(cluster.sc(), new TopicHandlers())) {
            System.out.printf(
                    Locale.ROOT,
                    "%d executors, %d cores, Java %s%s%n",
                    executors,
                    Runtime.getRuntime().availableProcessors(),
                    Runtime.version(),
                    secure ? ", encrypted" : "");
            if (executors == 2) {
                System.out.print(run(cluster, coordinator, Transport.RING, SocketYardstick::time));
            }
            for (Transport transport : Transport.values()) {
                for (Rounding rounding : new Rounding[] {Rounding.NONE, Rounding.BF16}) {
                    System.out.print(run(
                            cluster, coordinator, transport, (member, allReduce) -> time(member, allReduce, rounding)));
                }
            }
            Optional<String> refusal = GpuYardstick.whyNot(executors);
            System.out.print(
                    refusal.isPresent()
                            ? "GPUs: not timed, " + refusal.get() + System.lineSeparator()
                            : run(cluster, coordinator, Transport.RING, GpuYardstick::time));
        }
    }

    private static String run(
            EmbeddedCluster cluster, Coordinator coordinator, Transport transport, GenerationBody body) {
        int executors = cluster.sc().getConf().getInt("spark.cores.max", 0);
        GenerationPlan plan = FixedRanks.plan(executors, transport, LENGTHS[LENGTHS.length - 1]);
        byte[] table = new Generations(cluster.sc(), coordinator, plan)
                .run(body, () -> 0)
                .result();
        return new String(table, StandardCharsets.UTF_8);
    }

    private static byte[] time(RankSession member, AllReduce allReduce, Rounding rounding) {
        StringBuilder table = new StringBuilder();
        SumOrder order = SumOrder.byRank(member.generation().worldSize(), rounding);
        String name = allReduce.name() + (rounding == Rounding.BF16 ? " bf16" : "");
        int bytes = rounding == Rounding.BF16 ? Short.BYTES : Float.BYTES;
        double[] medians = new double[LENGTHS.length];
        for (int i = 0; i < LENGTHS.length; i++) {
            int length = LENGTHS[i];
            float[] data = new float[length];
            double[] millis = new double[ROUNDS];
            for (int round = -WARM_UP; round < ROUNDS; round++) {
                Arrays.fill(data, member.rank() + 1);
                allReduce.barrier();
                long begin = System.nanoTime();
                allReduce.submit(order, new float[][] {data}, 0, length);
                allReduce.await();
                if (round >= 0) {
                    millis[round] = (System.nanoTime() - begin) / 1e6;
                }
                float expected =
                        member.generation().worldSize() * (member.generation().worldSize() + 1) / 2f;
                if (data[0] != expected || data[length - 1] != expected) {
                    throw new AssertionError("wrong sum at length " + length);
                }
                member.stepReached(length);
            }
            Arrays.sort(millis);
            double median = millis[ROUNDS / 2];
            medians[i] = median;
            double share = 2.0
                    * (member.generation().worldSize() - 1)
                    / member.generation().worldSize();
            table.append(String.format(
                    Locale.ROOT,
                    "%-11s %,12d floats %9.3f ms %8.0f MB/s a rank%n",
                    name,
                    length,
                    median,
                    share * length * bytes / median / 1e3));
        }
        return table.append(fit(name, bytes, medians)).toString().getBytes(StandardCharsets.UTF_8);
    }

    /** T(n) = a + b n, with the least sum of squares of relative errors. */
    private static String fit(String name, int bytes, double[] medians) {
        double w = 0;
        double wx = 0;
        double wxx = 0;
        double wy = 0;
        double wxy = 0;
        for (int i = 0; i < medians.length; i++) {
            double weight = 1 / (medians[i] * medians[i]);
            double megabytes = (double) LENGTHS[i] * bytes / 1e6;
            w += weight;
            wx += weight * megabytes;
            wxx += weight * megabytes * megabytes;
            wy += weight * medians[i];
            wxy += weight * megabytes * medians[i];
        }
        double slope = (w * wxy - wx * wy) / (w * wxx - wx * wx);
        return String.format(Locale.ROOT, "%-11s fit: %.3f ms + %.3f ms a MB%n", name, (wy - slope * wx) / w, slope);
    }
}
