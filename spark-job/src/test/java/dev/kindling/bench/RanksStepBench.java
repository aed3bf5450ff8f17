package dev.kindling.bench;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.config.ConfigOverrides;
import dev.kindling.config.TrainConfig;
import dev.kindling.data.batch.Batch;
import dev.kindling.device.Device;
import dev.kindling.device.Precision;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.collective.Collectives;
import dev.kindling.device.cuda.collective.RankGroup;
import dev.kindling.exchange.RankLinks;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.Tensor;
import dev.kindling.train.Replica;
import dev.kindling.train.StepBatches;
import dev.kindling.train.TrainStep;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.zip.CRC32C;

/**
 * Milliseconds of a training step on the GPUs of this host, a process a GPU, without Spark, as {@code TrainStep} runs it:
 * for each case, on each rank, the median, mean, fastest and 90th percentile of its steps, and a checksum of the weights
 * that it ends with. Arguments: {@code gpt2} (124M, B32) or {@code xl} (1558M, B8), the number of GPUs, the steps of a case,
 * then the cases: a transport ({@code alone}, where each trains for itself, all at once; {@code nccl}; {@code peer}), and
 * {@code :1} behind it for {@code train.zero: 1}. With {@code !} behind the transport the last rank ends itself within a
 * step: how rank 0 leaves, and whether its device can be used on; the last case.
 */
public final class RanksStepBench {
    private static final int WARM_UP = 10;
    private static final int BATCHES = 4;
    private static final int PIECE = 1 << 20;
    private static final int LAST_STEP = 8;
    private static final long NOTICED_AFTER_NANOS = 2_000_000_000L;

    /** When a rank learns that a peer is lost. */
    private static volatile long noticedAt = Long.MAX_VALUE;

    private RanksStepBench() {}

    /** Runs the benchmark; the processes that it starts get the port of the first and a rank as further arguments. */
    public static void main(String[] args) throws Exception {
        if (args[0].equals("rank")) {
            List<String> rest = List.of(args).subList(3, args.length);
            try (HubAllReduce hub =
                    new HubAllReduce(Integer.parseInt(args[2]), Integer.parseInt(rest.get(1)), port(args))) {
                rank(hub, rest.get(0), Integer.parseInt(rest.get(2)), rest.subList(3, rest.size()));
            }
            return;
        }
        int ranks = Integer.parseInt(args[1]);
        try (ServerSocket server = new ServerSocket(0, ranks, InetAddress.getLoopbackAddress())) {
            List<Process> processes = new ArrayList<>();
            for (int rank = 0; rank < ranks; rank++) {
                processes.add(process(server.getLocalPort(), rank, args));
            }
            HubAllReduce.serve(server, ranks);
            for (Process process : processes) {
                process.waitFor();
            }
        }
    }

    private static int port(String[] args) {
        return Integer.parseInt(args[1]);
    }

    private static Process process(int port, int rank, String[] args) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx4g",
                "--add-modules=jdk.incubator.vector",
                "-cp",
                System.getProperty("java.class.path"),
                RanksStepBench.class.getName(),
                "rank",
                Integer.toString(port),
                Integer.toString(rank)));
        command.addAll(List.of(args));
        return new ProcessBuilder(command).inheritIO().start();
    }

    private static void rank(AllReduce hub, String model, int steps, List<String> cases) {
        RankGroup group = new RankGroup(hub.rank(), hub.worldSize(), RanksStepBench::requirePeers, reason -> {
            System.out.println(reason);
            Runtime.getRuntime().halt(1);
        });
        try (CudaDevice device = CudaDevice.open(hub.rank(), Precision.BF16)) {
            for (String each : cases) {
                String[] parts = each.split(":");
                String transport = parts[0].replace("!", "");
                boolean alone = transport.equals("alone");
                try (Arena arena = device.arena("bench");
                        Collectives gpus = alone ? null : GpuYardstick.open(transport, device, group, hub)) {
                    RankLinks links = alone ? RankLinks.alone() : new RankLinks(hub, Optional.of(gpus));
                    TrainConfig config = config(model, links.worldSize(), parts);
                    hub.barrier();
                    if (parts[0].endsWith("!")) {
                        lose(config, links, device, arena);
                        return;
                    }
                    String result = steps(config, links, device, arena, steps);
                    System.out.printf(Locale.ROOT, "%-8s rank %d: %s%n", each, hub.rank(), result);
                    hub.barrier();
                }
            }
        }
    }

    private static void requirePeers() {
        if (System.nanoTime() > noticedAt) {
            throw new IllegalStateException("a peer is lost");
        }
    }

    private static void lose(TrainConfig config, RankLinks links, CudaDevice device, Arena arena) {
        Replica replica = replica(config, links, device, arena);
        StepBatches batches = batches(config, replica, 0);
        try (TrainStep step = new TrainStep(replica, true)) {
            for (int i = 0; i <= LAST_STEP; i++) {
                if (i == LAST_STEP && links.rank() == links.worldSize() - 1) {
                    Runtime.getRuntime().halt(0);
                }
                noticedAt = i == LAST_STEP ? System.nanoTime() + NOTICED_AFTER_NANOS : Long.MAX_VALUE;
                step.run(i, batches);
            }
        } catch (IllegalStateException e) {
            System.out.printf(Locale.ROOT, "left %.0f ms after: %s%n", millisSince(noticedAt), e.getMessage());
        }
        long closing = System.nanoTime();
        links.gpus().orElseThrow().close();
        System.out.printf(Locale.ROOT, "closed in %.0f ms%n", millisSince(closing));
        device.ops().fill(replica.parameters().gradients(), 7);
        float[] one = new float[1];
        device.download(replica.parameters().gradients().slice(0, 0, 1), one);
        System.out.println("the device is " + (one[0] == 7 ? "sound" : "broken"));
    }

    private static double millisSince(long nanos) {
        return (System.nanoTime() - nanos) / 1e6;
    }

    private static Replica replica(TrainConfig config, RankLinks links, CudaDevice device, Arena arena) {
        Replica replica = new Replica(
                config, Replica.ModelInputs.windows(config, 50257), links, new Gpt.DeviceArena(device, arena));
        initialise(replica.parameters(), device);
        return replica;
    }

    /** As GPT-2 begins, but with one piece again and again: to draw all of 1558M takes longer than its steps here. */
    private static void initialise(Parameters parameters, Device device) {
        Random random = new Random(1);
        float[] drawn = new float[PIECE];
        float[] ones = new float[PIECE];
        for (int i = 0; i < PIECE; i++) {
            drawn[i] = (float) (0.02 * random.nextGaussian());
            ones[i] = 1;
        }
        repeat(drawn, parameters.working(), device);
        repeat(drawn, parameters.master(), device);
        for (Parameters.Entry entry : parameters.entries()) {
            if (!entry.decays()) {
                int count = (int) entry.shape().count();
                parameters.set(entry.offset(), FloatBuffer.wrap(ones, 0, count));
            }
        }
    }

    private static void repeat(float[] piece, Tensor flat, Device device) {
        Tensor first = flat.slice(0, 0, PIECE);
        device.upload(piece, first);
        for (long at = PIECE; at < flat.count(); at += PIECE) {
            long count = Math.min(PIECE, flat.count() - at);
            device.ops().copy(first.slice(0, 0, count), flat.slice(0, at, count));
        }
    }

    private static TrainConfig config(String model, int ranks, String[] parts) {
        boolean xl = model.equals("xl");
        int batch = xl ? 8 : 32;
        String yaml = String.format(
                Locale.ROOT,
                """
                model: {n_layer: %d, n_head: %d, n_embd: %d, block_size: 1024, dropout: 0.0, bias: false}
                train: {micro_batch: %d, global_batch: %d, lr: 1.0e-4, zero: %s}
                """,
                xl ? 48 : 12,
                xl ? 25 : 12,
                xl ? 1600 : 768,
                batch,
                batch * ranks,
                parts.length > 1 ? parts[1] : "0");
        return TrainConfig.parse(yaml, "benchmark", ConfigOverrides.NONE);
    }

    private static String steps(TrainConfig config, RankLinks links, CudaDevice device, Arena arena, int steps) {
        Replica replica = replica(config, links, device, arena);
        List<StepBatches> batches = new ArrayList<>();
        for (int i = 0; i < BATCHES; i++) {
            batches.add(batches(config, replica, i));
        }
        double[] millis = new double[steps];
        double loss = 0;
        double mean = 0;
        try (TrainStep step = new TrainStep(replica, true)) {
            for (int i = 0; i < WARM_UP + steps; i++) {
                long began = System.nanoTime();
                loss = step.run(i, batches.get(i % BATCHES)).loss();
                double took = millisSince(began);
                millis[Math.max(i - WARM_UP, 0)] = took;
                mean += i < WARM_UP ? 0 : took / steps;
            }
        }
        long checksum = checksum(device, replica.parameters());
        Arrays.sort(millis);
        return String.format(
                Locale.ROOT,
                "%.3f ms a step (median; mean %.3f, fastest %.3f, p90 %.3f), loss %.6f, weights %08x",
                millis[steps / 2],
                mean,
                millis[0],
                millis[steps * 9 / 10],
                loss,
                checksum);
    }

    /** Text-like: few tokens are frequent. */
    private static StepBatches batches(TrainConfig config, Replica replica, int step) {
        int batch = config.train().microBatch();
        int length = config.model().blockSize();
        Random random = new Random(step * 1000L + replica.share().first());
        int[] tokens = new int[batch * length + 1];
        for (int i = 0; i < tokens.length; i++) {
            tokens[i] = (int) (50257 * Math.pow(random.nextDouble(), 4));
        }
        int[] inputs = Arrays.copyOf(tokens, batch * length);
        int[] targets = Arrays.copyOfRange(tokens, 1, tokens.length);
        return StepBatches.windows(List.of(new Batch(inputs, targets, batch, length)), replica.share());
    }

    /** Of the first values of each weight by name, without the padding between them, which depends on the case. */
    private static long checksum(CudaDevice device, Parameters parameters) {
        CRC32C crc = new CRC32C();
        float[] piece = new float[1 << 16];
        ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * piece.length);
        for (Parameters.Entry entry : parameters.entries()) {
            int count = (int) Math.min(piece.length, entry.shape().count());
            device.download(parameters.working().slice(0, entry.offset(), count), FloatBuffer.wrap(piece, 0, count));
            bytes.asFloatBuffer().put(piece, 0, count);
            crc.update(bytes.array(), 0, Float.BYTES * count);
        }
        return crc.getValue();
    }
}
