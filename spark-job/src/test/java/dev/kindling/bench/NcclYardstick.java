package dev.kindling.bench;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.coordinate.RankSession;
import dev.kindling.device.Precision;
import dev.kindling.device.Stopwatch;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.collective.RankGroup;
import dev.kindling.device.cuda.nccl.NcclCommunicator;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** NCCL's allreduce against its size, each rank with the GPU of its number. */
final class NcclYardstick {
    private static final int[] LENGTHS = {1, 1 << 14, 1 << 20, 7_077_888, 1 << 25, 131_072_000};
    private static final int SUMS = 10;

    private NcclYardstick() {}

    /** Why it cannot be timed between so many ranks here, or empty. */
    static Optional<String> whyNot(int ranks) {
        return CudaDevice.whyNot()
                .or(NcclCommunicator::whyNot)
                .or(() -> CudaDevice.count() < ranks
                        ? Optional.of("there are fewer GPUs than executors")
                        : Optional.empty());
    }

    /** On the device's clock, over sums enqueued one after the other. */
    static byte[] time(RankSession member, AllReduce control) {
        StringBuilder table = new StringBuilder();
        byte[] id = control.broadcast(member.rank() == 0 ? NcclCommunicator.uniqueId() : new byte[0]);
        try (CudaDevice device = CudaDevice.open(member.rank(), Precision.BF16);
                Arena arena = device.arena("benchmark");
                NcclCommunicator nccl = NcclCommunicator.open(
                        device,
                        new RankGroup(
                                member.rank(), member.generation().worldSize(), member::check, member::endProcess),
                        id)) {
            for (DType type : new DType[] {DType.F32, DType.BF16}) {
                for (int length : LENGTHS) {
                    Tensor data = arena.allocate("data", type, length);
                    double median =
                            ncclMillis(device, nccl, data, member.generation().worldSize());
                    table.append(row(
                            "nccl " + type,
                            length,
                            type.bytes(),
                            median,
                            member.generation().worldSize()));
                    member.stepReached(table.length());
                }
            }
            control.barrier();
        }
        return table.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static double ncclMillis(CudaDevice device, NcclCommunicator nccl, Tensor data, int worldSize) {
        device.ops().fill(data, 1);
        nccl.allReduce(data);
        nccl.join();
        float[] last = new float[1];
        device.download(data.slice(0, data.count() - 1, 1), last);
        if (last[0] != worldSize) {
            throw new AssertionError("wrong sum at length " + data.count());
        }
        double[] millis = new double[AllReduceBench.ROUNDS];
        try (Stopwatch stopwatch = device.stopwatch()) {
            for (int round = -AllReduceBench.WARM_UP; round < AllReduceBench.ROUNDS; round++) {
                stopwatch.mark();
                for (int i = 0; i < SUMS; i++) {
                    nccl.allReduce(data);
                }
                nccl.join();
                stopwatch.mark();
                millis[Math.max(round, 0)] = stopwatch.readMicros()[1] / 1e3 / SUMS;
            }
        }
        Arrays.sort(millis);
        return millis[AllReduceBench.ROUNDS / 2];
    }

    private static String row(String name, long count, int bytes, double millis, int worldSize) {
        double share = 2.0 * (worldSize - 1) / worldSize;
        return String.format(
                Locale.ROOT,
                "%-9s %,12d values %9.3f ms %8.0f MB/s a rank%n",
                name,
                count,
                millis,
                share * count * bytes / millis / 1e3);
    }
}
