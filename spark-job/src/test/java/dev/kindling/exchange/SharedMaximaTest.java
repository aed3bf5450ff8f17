package dev.kindling.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.allreduce.MeshAllReduce;
import dev.kindling.allreduce.Rounding;
import dev.kindling.allreduce.link.Group;
import dev.kindling.allreduce.link.Handshake;
import dev.kindling.allreduce.link.MeshEndpoint;
import dev.kindling.allreduce.link.Peer;
import dev.kindling.allreduce.link.SocketEndpoint;
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
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Ranks over real sockets, in one process: the maxima that FP8 scales by are the largest of all ranks, on each. */
@Timeout(120)
class SharedMaximaTest {
    private static final float[][] OF_RANKS = {{1, 0.5f, 0, 3}, {0.25f, 4, 0, 3}, {0.5f, 2, 1e-20f, 2}};

    @Test
    void everyRankGetsTheLargest() throws Exception {
        List<MeshEndpoint> endpoints = new ArrayList<>();
        List<Peer> peers = new ArrayList<>();
        for (int rank = 0; rank < OF_RANKS.length; rank++) {
            MeshEndpoint endpoint =
                    new SocketEndpoint(new Handshake("secret", 1, OF_RANKS.length), "127.0.0.1", 1 << 20);
            endpoints.add(endpoint);
            peers.add(new Peer(rank, "127.0.0.1", endpoint.port(), Integer.toString(rank), ""));
        }
        ExecutorService threads = Executors.newFixedThreadPool(OF_RANKS.length);
        try {
            List<Callable<float[]>> ranks = new ArrayList<>();
            for (int r = 0; r < OF_RANKS.length; r++) {
                Group group = new Group(1, r, peers, 30_000, () -> {});
                MeshEndpoint endpoint = endpoints.get(r);
                ranks.add(() -> shared(group, endpoint));
            }
            for (Future<float[]> rank : threads.invokeAll(ranks)) {
                assertThat(rank.get()).containsExactly(1, 4, 1e-20f, 3);
            }
        } finally {
            threads.shutdownNow();
        }
    }

    private static float[] shared(Group group, MeshEndpoint endpoint) {
        GptConfig config = new GptConfig(8, 8, 1, 1, 16, 0, false, Gelu.Form.ERF);
        try (MeshAllReduce ring = new MeshAllReduce(group, endpoint);
                Device device = new CpuDevice(1, Precision.FP32);
                Arena arena = device.arena("test")) {
            Gpt.DeviceArena memory = new Gpt.DeviceArena(device, arena);
            Parameters parameters = new Parameters(config, device, arena, true);
            device.ops().fill(parameters.gradients(), 0);
            GradientSum sum = GradientSum.of(
                    Reduction.RANK,
                    memory,
                    parameters.gradients(),
                    arena.allocate("loss", DType.F32, 1),
                    RankShare.of(OF_RANKS.length, group.rank(), OF_RANKS.length, 1));
            GradientExchange exchange = GradientExchange.of(
                    new RankLinks(ring, Optional.empty()), memory, parameters, sum, Compression.NONE);
            Tensor maxima = arena.allocate("maxima", DType.F32, 4);
            device.upload(OF_RANKS[group.rank()], maxima);
            exchange.maximaReady(maxima);
            exchange.awaitHost(Rounding.NONE);
            float[] all = new float[4];
            device.download(maxima, all);
            return all;
        }
    }
}
