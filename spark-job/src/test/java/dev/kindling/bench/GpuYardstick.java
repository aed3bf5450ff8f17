package dev.kindling.bench;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.coordinate.RankSession;
import dev.kindling.device.Precision;
import dev.kindling.device.Stopwatch;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.collective.Collectives;
import dev.kindling.device.cuda.collective.RankGroup;
import dev.kindling.device.cuda.nccl.NcclCommunicator;
import dev.kindling.device.cuda.peer.PeerCollectives;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** The allreduce from GPU to GPU against its size, each rank with the GPU of its number: by NCCL, and on one host's memory. */
final class GpuYardstick {
    private static final int[] LENGTHS = {1, 1 << 14, 1 << 20, 7_077_888, 1 << 25, 131_072_000};
    private static final int SUMS = 10;

    private GpuYardstick() {}

    /** Why it cannot be timed between so many ranks here, or empty. */
    static Optional<String> whyNot(int ranks) {
        return CudaDevice.whyNot()
                .or(NcclCommunicator::whyNot)
                .or(() -> CudaDevice.count() < ranks
                        ? Optional.of("there are fewer GPUs than executors")
                        : Optional.empty());
    }

    /** Connects the GPUs of all ranks by a transport's name. */
    static Collectives open(String transport, CudaDevice device, RankGroup group, AllReduce control) {
        return switch (transport) {
            case "nccl" ->
                NcclCommunicator.open(
                        device,
                        group,
                        control.broadcast(control.rank() == 0 ? NcclCommunicator.uniqueId() : new byte[0]));
            case "peer" -> PeerCollectives.open(device, group, control::allGather);
            default -> throw new IllegalArgumentException("no transport between GPUs is called " + transport);
        };
    }

    /** On the device's clock, over sums enqueued one after the other. */
    static byte[] time(RankSession member, AllReduce control) {
        StringBuilder table = new StringBuilder();
        RankGroup group = new RankGroup(member.rank(), control.worldSize(), member::check, member::endProcess);
        try (CudaDevice device = CudaDevice.open(member.rank(), Precision.BF16)) {
            for (String transport : new String[] {"nccl", "peer"}) {
                try (Arena arena = device.arena(transport);
                        Collectives gpus = open(transport, device, group, control)) {
                    for (DType type : new DType[] {DType.F32, DType.BF16}) {
                        for (int length : LENGTHS) {
                            Tensor data = arena.allocate(type + " " + length, type, length);
                            gpus.share(data);
                            double median = millis(device, gpus, data);
                            table.append(row(transport, data, median, control.worldSize()));
                            member.stepReached(table.length());
                        }
                    }
                    control.barrier();
                }
            }
        }
        return table.toString().getBytes(StandardCharsets.UTF_8);
    }

    /** The median of a sum, as the last bucket of a step travels; checks the sum first. */
    static double millis(CudaDevice device, Collectives gpus, Tensor data) {
        device.ops().fill(data, 1);
        gpus.allReduce(data, Collectives.Beside.NOTHING);
        gpus.join();
        float[] last = new float[1];
        device.download(data.slice(0, data.count() - 1, 1), last);
        if (last[0] != gpus.worldSize()) {
            throw new AssertionError("wrong sum at length " + data.count());
        }
        double[] millis = new double[AllReduceBench.ROUNDS];
        try (Stopwatch stopwatch = device.stopwatch()) {
            for (int round = -AllReduceBench.WARM_UP; round < AllReduceBench.ROUNDS; round++) {
                stopwatch.mark();
                for (int i = 0; i < SUMS; i++) {
                    gpus.allReduce(data, Collectives.Beside.NOTHING);
                }
                gpus.join();
                stopwatch.mark();
                millis[Math.max(round, 0)] = stopwatch.readMicros()[1] / 1e3 / SUMS;
            }
        }
        Arrays.sort(millis);
        return millis[AllReduceBench.ROUNDS / 2];
    }

    private static String row(String transport, Tensor data, double millis, int worldSize) {
        double share = 2.0 * (worldSize - 1) / worldSize;
        return String.format(
                Locale.ROOT,
                "%-9s %,12d values %9.3f ms %8.0f MB/s a rank%n",
                transport + " " + data.dtype(),
                data.count(),
                millis,
                share * data.count() * data.dtype().bytes() / millis / 1e3);
    }
}
