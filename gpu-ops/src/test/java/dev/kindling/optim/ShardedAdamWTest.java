package dev.kindling.optim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.StepInputs;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.nn.FlatWeights;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.OptimizerShard;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Clip and AdamW shard by shard, as ranks do it, against one pass over all weights. */
class ShardedAdamWTest {
    private static final GptConfig MODEL = new GptConfig(67, 13, 2, 3, 39, 0f, true, Gelu.Form.ERF);
    private static final AdamW.Coefficients COEFFICIENTS = new AdamW.Coefficients(0.9f, 0.95f, 0.1f);

    @ParameterizedTest
    @CsvSource({"SLICES,2", "SLICES,3", "SLICES,13", "BUCKETS,2", "BUCKETS,3"})
    void shardsHaveTheBitsOfOnePassAndTheirShareOfTheMoments(OptimizerShard.Cut cut, int ranks) {
        try (Device device = new CpuDevice(2, Precision.FP32);
                Arena arena = device.arena("test")) {
            Rank alone = new Rank(device, arena, new OptimizerShard(cut, 0, 1));
            List<Rank> all = IntStream.range(0, ranks)
                    .mapToObj(rank -> new Rank(device, arena, new OptimizerShard(cut, rank, ranks)))
                    .toList();
            assertThat(alone.momentBytes).isEqualTo(8 * alone.parameters.count());
            assertThat(all)
                    .allSatisfy(rank -> assertThat(rank.momentBytes)
                            .isEqualTo(8 * rank.parameters.kept().count())
                            .isLessThanOrEqualTo(alone.momentBytes / ranks + 8L * ranks * 4096));
            for (int step = 0; step < 3; step++) {
                AdamW adamW = alone.adamW;
                device.setStep(
                        new StepInputs(1, step, 1e-2f, adamW.beta1Correction(step), adamW.beta2Correction(step), 1));
                device.ops().gradientNorm(alone.parameters.gradients(), 1f);
                float norm = device.gradientNorm();
                adamW.step(range -> {});
                double[] squares = all.stream()
                        .flatMapToDouble(rank -> rank.squares(device))
                        .toArray();
                device.ops().gradientNorm(squares, 1f);
                all.forEach(rank -> rank.adamW.step(range -> {}));
                if (cut == OptimizerShard.Cut.SLICES) {
                    assertThat(device.gradientNorm()).isEqualTo(norm);
                    assertThat(joined(device, all)).isEqualTo(named(alone, FlatWeights.of(device, alone.parameters)));
                } else {
                    assertThat(device.gradientNorm()).isCloseTo(norm, withinPercentage(1e-5));
                    assertThat(joined(device, all))
                            .containsExactly(named(alone, FlatWeights.of(device, alone.parameters)), within(1e-6f));
                }
            }
        }
    }

    @Test
    void everyPieceOfABucketIsAsLongAndAligned() {
        try (Device device = new CpuDevice(1, Precision.FP32);
                Arena arena = device.arena("test")) {
            for (int ranks : new int[] {2, 3, 8}) {
                Parameters parameters =
                        new Rank(device, arena, new OptimizerShard(OptimizerShard.Cut.BUCKETS, 1, ranks)).parameters;
                long end = 0;
                for (int i = 0; i < parameters.buckets().size(); i++) {
                    for (int rank = 0; rank < ranks; rank++) {
                        Range piece = parameters.ranges(rank).get(i);
                        assertThat(piece.offset()).isEqualTo(end).isEqualTo(end / 64 * 64);
                        assertThat(piece.length())
                                .isEqualTo(parameters.own().get(i).length());
                        end = piece.end();
                    }
                    assertThat(end).isEqualTo(parameters.buckets().get(i).end());
                }
                assertThat(end).isEqualTo(parameters.count());
            }
        }
    }

    private static float[] joined(Device device, List<Rank> all) {
        Parameters parameters = all.get(0).parameters;
        float[] weights = new float[(int) parameters.count()];
        for (int rank = 0; rank < all.size(); rank++) {
            float[] ofRank = FlatWeights.of(device, all.get(rank).parameters);
            for (Range range : parameters.ranges(rank)) {
                System.arraycopy(ofRank, (int) range.offset(), weights, (int) range.offset(), (int) range.length());
            }
        }
        return named(all.get(0), weights);
    }

    /** Without the padding of buckets. */
    private static float[] named(Rank rank, float[] flat) {
        FloatBuffer named = FloatBuffer.allocate(flat.length);
        for (Parameters.Entry entry : rank.parameters.entries()) {
            named.put(flat, (int) entry.offset(), (int) entry.shape().count());
        }
        return Arrays.copyOf(named.array(), named.position());
    }

    private static final class Rank {
        final Parameters parameters;
        final AdamW adamW;
        final long momentBytes;

        Rank(Device device, Arena arena, OptimizerShard shard) {
            parameters = new Parameters(MODEL, device, arena, DType.F32, shard);
            parameters.initialise(1);
            float[] gradients = new float[(int) parameters.count()];
            Random random = new Random(2);
            for (Parameters.Entry entry : parameters.entries()) {
                for (int i = 0; i < entry.shape().count(); i++) {
                    gradients[(int) entry.offset() + i] = (float) random.nextGaussian();
                }
            }
            device.upload(gradients, parameters.gradients());
            long before = device.allocatedBytes();
            adamW = new AdamW(parameters, COEFFICIENTS, DType.F32, device, arena);
            momentBytes = device.allocatedBytes() - before;
        }

        DoubleStream squares(Device device) {
            return parameters.own().stream()
                    .map(range -> parameters.gradients().slice(0, range.offset(), range.length()))
                    .flatMapToDouble(piece -> DoubleStream.of(device.ops().squares(piece)));
        }
    }
}
