package dev.kindling.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.allreduce.MeshAllReduce;
import dev.kindling.allreduce.SocketRanks;
import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.OptimizerShard;
import dev.kindling.nn.parameter.OptimizerShard.Cut;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.optim.AdamW;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Three ranks, each with a copy of the next one's part. The third is lost; the others come back as ranks 1 and 2, so that rank
 * 0 is new and nobody keeps what it had kept.
 */
@Timeout(120)
class HeldPartsTest {
    private static final GptConfig MODEL = new GptConfig(8, 70, 3, 2, 32, 0, true, Gelu.Form.ERF);
    private static final int RANKS = 3;
    /** What the new ranks were before, and -1 for a new one. */
    private static final int[] BEFORE = {-1, 0, 1};

    private static final List<List<Integer>> HOLDERS = List.of(List.of(1), List.of(1, 2), List.of(2));

    @ParameterizedTest
    @EnumSource(Cut.class)
    void theNextRanksGetAllWeightsAndTheMomentsOfTheirParts(Cut cut) throws Exception {
        for (List<Float> history : SocketRanks.run(RANKS, 1 << 20, ring -> takeOver(cut, ring))) {
            assertThat(history).containsExactly(1f, 0.1f);
        }
    }

    private static List<Float> takeOver(Cut cut, MeshAllReduce ring) {
        try (Device device = new CpuDevice(1, Precision.FP32);
                Arena arena = device.arena("test");
                HeldParts held = held(device, arena, cut, BEFORE[ring.rank()])) {
            OptimizerShard shard = new OptimizerShard(cut, ring.rank(), RANKS, 1);
            Parameters parameters = new Parameters(MODEL, device, arena, DType.F32, shard);
            AdamW adamW = adamW(parameters, device, arena);
            List<Float> history = held.handOver(ring, HOLDERS, parameters, adamW);
            assertThat(values(device, parameters.working())).isEqualTo(flat(parameters, 1));
            for (Range range : parameters.kept().ranges()) {
                long offset = parameters.kept().offset(range);
                assertThat(values(device, adamW.firstMoments().slice(0, offset, range.length())))
                        .isEqualTo(part(flat(parameters, 2), range));
                assertThat(values(device, adamW.secondMoments().slice(0, offset, range.length())))
                        .isEqualTo(part(flat(parameters, 3), range));
            }
            return history;
        }
    }

    /** What a process has left that was rank {@code before}. */
    private static HeldParts held(Device device, Arena arena, Cut cut, int before) {
        if (before < 0) {
            return new HeldParts();
        }
        OptimizerShard shard = new OptimizerShard(cut, before, RANKS, 1);
        Parameters parameters = new Parameters(MODEL, device, arena, DType.F32, shard);
        AdamW adamW = adamW(parameters, device, arena);
        for (Range range : parameters.kept().ranges()) { // of the other weights it may have any
            parameters.set(range.offset(), FloatBuffer.wrap(part(flat(parameters, 1), range)));
        }
        parameters.setKept(adamW.firstMoments(), 0, FloatBuffer.wrap(flat(parameters, 2)));
        parameters.setKept(adamW.secondMoments(), 0, FloatBuffer.wrap(flat(parameters, 3)));
        return new HeldParts(device, shard, new HeldParts.State(parameters, adamW, List.of(1f, 0.1f)));
    }

    private static AdamW adamW(Parameters parameters, Device device, Arena arena) {
        return new AdamW(parameters, new AdamW.Coefficients(0.9f, 0.99f, 0.1f), DType.F32, device, arena);
    }

    private static float[] flat(Parameters parameters, int of) {
        float[] values = new float[(int) parameters.count()];
        for (int i = 0; i < values.length; i++) {
            values[i] = of + i / 7f;
        }
        return values;
    }

    private static float[] part(float[] flat, Range range) {
        return Arrays.copyOfRange(flat, (int) range.offset(), (int) range.end());
    }

    private static float[] values(Device device, Tensor tensor) {
        float[] values = new float[(int) tensor.count()];
        device.download(tensor, values);
        return values;
    }
}
