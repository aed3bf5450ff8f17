package dev.kindling.device.cuda.nccl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.kindling.device.Precision;
import dev.kindling.device.cuda.CudaDevice;
import dev.kindling.device.cuda.Gpu;
import dev.kindling.device.cuda.collective.RankGroup;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** One thread a GPU, against the same sums in plain Java. */
@Timeout(120)
class RankedSumTest {
    private static final int STEPS = 5;

    @ParameterizedTest
    @ValueSource(ints = {64, 4108, 1_000_004})
    void everyRankHasTheBitsOfAPlainLoopOverRanks(int count) throws Exception {
        Gpu.require();
        int ranks = Math.min(CudaDevice.count(), 4);
        assumeTrue(ranks > 1, "SKIPPED: fewer than two GPUs here; sums between GPUs are not tested");
        byte[] id = NcclCommunicator.uniqueId();
        CyclicBarrier leaving = new CyclicBarrier(ranks);
        ExecutorService threads = Executors.newFixedThreadPool(ranks);
        List<Future<float[][]>> running = new ArrayList<>();
        for (int rank = 0; rank < ranks; rank++) {
            int own = rank;
            running.add(threads.submit(() -> sums(own, ranks, id, count, leaving)));
        }
        threads.shutdown();
        float[][] expected = plainLoop(ranks, count);
        for (Future<float[][]> rank : running) {
            float[][] sums = rank.get();
            for (int step = 0; step < STEPS; step++) {
                assertThat(sums[step]).as("step %d", step).isEqualTo(expected[step]);
            }
        }
    }

    private static boolean settles(int step) {
        return step == 3;
    }

    private static float[][] sums(int rank, int ranks, byte[] id, int count, CyclicBarrier leaving) throws Exception {
        try (CudaDevice device = CudaDevice.open(rank, Precision.BF16);
                Arena arena = device.arena("test");
                NcclCommunicator communicator = NcclCommunicator.open(
                        device,
                        new RankGroup(rank, ranks, () -> {}, reason -> {
                            throw new IllegalStateException(reason);
                        }),
                        id)) {
            Tensor gradients = arena.allocate("gradients", DType.F32, count);
            RankedSum.WireBuffers wire = new RankedSum.WireBuffers(communicator, arena, count);
            RankedSum sum = new RankedSum(communicator, device, arena, wire, gradients);
            float[][] sums = new float[STEPS][count];
            for (int step = 0; step < STEPS; step++) {
                device.upload(values(rank, step, count), gradients);
                if (settles(step)) {
                    sum.settled();
                } else {
                    sum.rounded();
                }
                communicator.join();
                device.download(gradients, sums[step]);
            }
            leaving.await(60, TimeUnit.SECONDS);
            return sums;
        }
    }

    private static float[] values(int rank, int step, int count) {
        Random random = new Random(rank * 1000L + step);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (random.nextGaussian() * Math.exp(4 * random.nextGaussian()));
        }
        return values;
    }

    private static float[][] plainLoop(int ranks, int count) {
        float[][] sums = new float[STEPS][count];
        float[][] residuals = new float[ranks][count];
        float[] lost = new float[count];
        for (int step = 0; step < STEPS; step++) {
            for (int rank = 0; rank < ranks; rank++) {
                float[] values = values(rank, step, count);
                for (int i = 0; i < count; i++) {
                    float owed = values[i] + residuals[rank][i];
                    float sent = settles(step) ? owed : bf16(owed);
                    residuals[rank][i] = owed - sent;
                    sums[step][i] = rank == 0 ? sent : sums[step][i] + sent;
                }
            }
            for (int i = 0; i < count; i++) {
                float owed = sums[step][i] + lost[i];
                sums[step][i] = settles(step) ? owed : bf16(owed);
                lost[i] = owed - sums[step][i];
            }
        }
        return sums;
    }

    private static float bf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        return Float.intBitsToFloat((bits + 0x7fff + (bits >>> 16 & 1)) & 0xffff0000);
    }
}
