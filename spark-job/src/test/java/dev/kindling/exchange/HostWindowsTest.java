package dev.kindling.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.allreduce.MeshAllReduce;
import dev.kindling.allreduce.Rounding;
import dev.kindling.allreduce.SocketRanks;
import dev.kindling.allreduce.SumOrder;
import dev.kindling.device.Device;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Gradients of more windows than there are, over real sockets in one process, against a plain loop over the ranks. */
@Timeout(120)
class HostWindowsTest {
    private static final int RANKS = 2;
    private static final int COUNT = 10 * HostWindows.floats(RANKS) + 17;
    /** In the middle of a window. */
    private static final Range WANTED = new Range(HostWindows.floats(RANKS) / 2, 7L * HostWindows.floats(RANKS));

    @ParameterizedTest
    @EnumSource(
            value = Rounding.class,
            names = {"NONE", "BF16"})
    void sumsComeBackToTheirPlacesAndNothingElseChanges(Rounding rounding) throws Exception {
        List<float[]> sums = SocketRanks.run(RANKS, COUNT, ring -> sum(ring, rounding));
        for (int r = 0; r < RANKS; r++) {
            assertThat(firstWrong(sums.get(r), r)).isEqualTo(-1);
        }
    }

    @ParameterizedTest
    @CsvSource({"2, 1048576", "64, 4194304", "10000, 16777216"})
    void aWindowHoldsAMessageForEachRankAndNeverAModel(int ranks, int floats) {
        assertThat(HostWindows.floats(ranks)).isEqualTo(floats);
    }

    /** Small whole numbers, whose sums bf16 holds. */
    private static float value(int rank, int i) {
        return i % 61 + rank;
    }

    private static int firstWrong(float[] sums, int rank) {
        for (int i = 0; i < COUNT; i++) {
            boolean wanted = i >= WANTED.offset() && i < WANTED.end();
            if (sums[i] != (wanted ? value(0, i) + value(1, i) : value(rank, i))) {
                return i;
            }
        }
        return -1;
    }

    private static float[] sum(MeshAllReduce ring, Rounding rounding) {
        try (Device device = new CpuDevice(1, Precision.FP32);
                Arena arena = device.arena("test")) {
            Tensor gradients = arena.allocate("gradients", DType.F32, COUNT);
            float[] values = new float[COUNT];
            for (int i = 0; i < COUNT; i++) {
                values[i] = value(ring.rank(), i);
            }
            device.upload(values, gradients);
            HostWindows windows = new HostWindows(device, ring, List.of(gradients), WANTED);
            windows.send(
                    new Range(0, COUNT),
                    (window, range) -> ring.submit(
                            SumOrder.byRank(RANKS, rounding), window, (int) range.offset(), (int) range.length()));
            windows.takeAllBack();
            ring.barrier();
            device.download(gradients, values);
            return values;
        }
    }
}
