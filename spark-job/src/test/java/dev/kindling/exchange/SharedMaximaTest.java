package dev.kindling.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.allreduce.MeshAllReduce;
import dev.kindling.allreduce.Rounding;
import dev.kindling.allreduce.SocketRanks;
import dev.kindling.config.ClusterSection.Compression;
import dev.kindling.config.TrainSection.Reduction;
import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Ranks over real sockets, in one process: the maxima that FP8 scales by are the largest of all ranks, on each. */
@Timeout(120)
class SharedMaximaTest {
    private static final float[][] OF_RANKS = {{1, 0.5f, 0, 3}, {0.25f, 4, 0, 3}, {0.5f, 2, 1e-20f, 2}};

    @Test
    void everyRankGetsTheLargest() throws Exception {
        for (float[] maxima : SocketRanks.run(OF_RANKS.length, 1 << 20, SharedMaximaTest::shared)) {
            assertThat(maxima).containsExactly(1, 4, 1e-20f, 3);
        }
    }

    private static float[] shared(MeshAllReduce ring) {
        GptConfig config = new GptConfig(8, 8, 1, 1, 16, 0, false, Gelu.Form.ERF);
        try (Device device = new CpuDevice(1, Precision.FP32);
                Arena arena = device.arena("test")) {
            Gpt.DeviceArena memory = new Gpt.DeviceArena(device, arena);
            Parameters parameters = new Parameters(config, device, arena, true);
            device.ops().fill(parameters.gradients(), 0);
            GradientSum sum = GradientSum.of(
                    Reduction.RANK,
                    memory,
                    parameters.gradients(),
                    arena.allocate("loss", DType.F32, 1),
                    RankShare.of(OF_RANKS.length, ring.rank(), OF_RANKS.length, 1));
            GradientExchange exchange = GradientExchange.of(
                    new RankLinks(ring, Optional.empty()), memory, parameters, sum, Compression.NONE);
            Tensor maxima = arena.allocate("maxima", DType.F32, 4);
            device.upload(OF_RANKS[ring.rank()], maxima);
            exchange.maximaReady(maxima);
            exchange.awaitHost(Rounding.NONE);
            float[] all = new float[4];
            device.download(maxima, all);
            return all;
        }
    }
}
