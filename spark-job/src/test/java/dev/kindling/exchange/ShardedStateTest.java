package dev.kindling.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.allreduce.MeshAllReduce;
import dev.kindling.allreduce.SocketRanks;
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
import java.util.List;
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
        List<float[][]> read =
                SocketRanks.run(RANKS, 1 << 20, ring -> run(ring, new OptimizerShard(cut, ring.rank(), RANKS, copies)));
        float[][] whole = read.get(0);
        for (int i = 0; i < whole[0].length; i++) {
            assertThat(whole[0][i]).isEqualTo(i);
            assertThat(whole[1][i]).isEqualTo(-i);
            assertThat(whole[2][i]).isEqualTo(i % 7);
        }
        assertThat(read.get(1)).isEmpty();
        assertThat(read.get(2)).isEmpty();
    }

    private static float[][] run(MeshAllReduce ring, OptimizerShard shard) {
        try (Device device = new CpuDevice(1, Precision.FP32);
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
            if (ring.rank() > 0) {
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
