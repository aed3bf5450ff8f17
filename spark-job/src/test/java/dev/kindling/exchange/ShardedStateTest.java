package dev.kindling.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.allreduce.MeshAllReduce;
import dev.kindling.allreduce.link.Group;
import dev.kindling.allreduce.link.Handshake;
import dev.kindling.allreduce.link.MeshEndpoint;
import dev.kindling.allreduce.link.Peer;
import dev.kindling.allreduce.link.SocketEndpoint;
import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.TensorReader;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.model.FlatValues;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.OptimizerShard;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Three ranks over real sockets in one process. */
@Timeout(120)
class ShardedStateTest {
    private static final int RANKS = 3;
    private static final GptConfig MODEL = new GptConfig(29, 16, 2, 2, 64, 0, true, Gelu.Form.ERF);

    @ParameterizedTest
    @CsvSource({"SLICES,0", "BUCKETS,0", "SLICES,1", "BUCKETS,1"})
    void rankZeroReadsTheWholeFromThoseThatHaveIt(OptimizerShard.Cut cut, int copies) throws Exception {
        List<MeshEndpoint> endpoints = new ArrayList<>();
        List<Peer> peers = new ArrayList<>();
        for (int rank = 0; rank < RANKS; rank++) {
            MeshEndpoint endpoint = new SocketEndpoint(new Handshake("secret", 1, RANKS), "127.0.0.1", 1 << 20);
            endpoints.add(endpoint);
            peers.add(new Peer(rank, "127.0.0.1", endpoint.port(), Integer.toString(rank), ""));
        }
        ExecutorService threads = Executors.newFixedThreadPool(RANKS);
        try {
            List<Callable<float[][]>> ranks = new ArrayList<>();
            for (int r = 0; r < RANKS; r++) {
                Group group = new Group(1, r, peers, 30_000, () -> {});
                MeshEndpoint endpoint = endpoints.get(r);
                ranks.add(() -> run(group, endpoint, new OptimizerShard(cut, group.rank(), RANKS, copies)));
            }
            List<Future<float[][]>> read = threads.invokeAll(ranks);
            float[][] whole = read.get(0).get();
            for (int i = 0; i < whole[0].length; i++) {
                assertThat(whole[0][i]).isEqualTo(i);
                assertThat(whole[1][i]).isEqualTo(-i);
                assertThat(whole[2][i]).isEqualTo(i % 7);
            }
            assertThat(read.get(1).get()).isEmpty();
            assertThat(read.get(2).get()).isEmpty();
        } finally {
            threads.shutdownNow();
        }
    }

    private static float[][] run(Group group, MeshEndpoint endpoint, OptimizerShard shard) {
        try (MeshAllReduce ring = new MeshAllReduce(group, endpoint);
                Device device = new CpuDevice(1, Precision.FP32);
                Arena arena = device.arena("test");
                TensorReader reader = device.reader()) {
            Parameters parameters = new Parameters(MODEL, device, arena, DType.F32, shard);
            Tensor first =
                    arena.allocate("first moments", DType.F32, parameters.kept().count());
            Tensor second = arena.allocate(
                    "second moments", DType.F32, parameters.kept().count());
            for (Range range : parameters.own()) {
                for (long i = 0; i < range.length(); i++) {
                    long at = parameters.kept().offset(range) + i;
                    float value = range.offset() + i;
                    device.upload(new float[] {value}, first.slice(0, at, 1));
                    device.upload(new float[] {-value}, second.slice(0, at, 1));
                }
            }
            float[] everywhere = new float[(int) parameters.count()];
            for (int i = 0; i < everywhere.length; i++) {
                everywhere[i] = i % 7;
            }
            device.upload(everywhere, parameters.working());
            ShardedState state =
                    new ShardedState(ring, parameters, List.of(first, second, parameters.working()), reader);
            if (group.rank() > 0) {
                state.serve();
                return new float[0][];
            }
            return read(state.values(), parameters.count());
        }
    }

    /** In pieces that end anywhere. */
    private static float[][] read(List<FlatValues> values, long count) {
        float[][] all = new float[values.size()][(int) count];
        for (int i = 0; i < all.length; i++) {
            for (int at = 0; at < count; at += 5_003) {
                FloatBuffer to = FloatBuffer.wrap(all[i], at, (int) Math.min(5_003, count - at));
                values.get(i).read(at, to);
                assertThat(to.position()).isEqualTo(at);
            }
        }
        values.forEach(FlatValues::close);
        return all;
    }
}
