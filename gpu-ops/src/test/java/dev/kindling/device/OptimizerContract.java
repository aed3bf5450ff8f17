package dev.kindling.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.reference.ReferenceDropout;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Gradient norm, clip and AdamW. */
public interface OptimizerContract extends OpsUnderTest {

    @ParameterizedTest
    @CsvSource({"1, 0, 1", "13, 1, 13", "4097, 1, 0", "4099, 1, 2049", "70001, 1000, 69998"})
    default void stepsWithTheClippedGradient(int count, float maxNorm, int decaying) {
        OpsFixture f = fixture();
        boolean separate = f.device().activationType() != DType.F32;
        Tensor p = f.floats(count);
        Tensor g = f.floats(count);
        Tensor m = f.floats(count);
        Tensor v = f.floats(count);
        double[] second = f.read(v);
        for (int i = 0; i < count; i++) {
            second[i] *= second[i];
        }
        v = f.of(DType.F32, second, count);
        AdamWOp op = new AdamWOp(p, separate ? f.poisoned(count) : p, g, m, v, 0, 0.9f, 0.99f, 1e-8f, 0.1f, decaying);
        double[] gradient = f.read(g);
        double squares = 0;
        for (double value : gradient) {
            squares += value * value;
        }
        double norm = Math.sqrt(squares);
        double clip = maxNorm == 0 ? 1 : Math.min(1, maxNorm / (norm + 1e-6));
        double[][] expected = adamW(f.read(p), gradient, f.read(m), f.read(v), clip, decaying);
        f.ops().gradientNorm(g, maxNorm);
        assertThat((double) f.device().gradientNorm()).isBetween(norm * (1 - 3e-6), norm * (1 + 3e-6));
        f.ops().adamW(op);
        f.assertClose("p", p, expected[0], 3e-6);
        f.assertClose("m", m, expected[1], 3e-6);
        f.assertClose("v", v, expected[2], 3e-6);
        f.assertClose("working", op.working(), expected[0]);
        f.assertClose("g", g, gradient, 0);
    }

    /** Against the moments that F32 would have: the random bits are those of (seed, step, weight), in one pass or in parts. */
    @ParameterizedTest
    @CsvSource({"1, 0, 1", "13, 4, 13", "4099, 4, 2049", "70001, 65536, 69998"})
    default void momentsInBf16AreRoundedAtRandom(int count, int cut, int decaying) {
        OpsFixture f = fixture();
        double[] p = f.read(f.floats(count));
        double[] g = f.read(f.floats(count));
        double[] m = f.read(f.gaussian(DType.BF16, 1, count));
        double[] v = f.read(f.gaussian(DType.BF16, 1, count));
        for (int i = 0; i < count; i++) {
            v[i] = Math.abs(v[i]);
        }
        double[][] exact = stepped(f, DType.F32, 8, new double[][] {p, g, m, v}, decaying);
        double[][] rounded = stepped(f, DType.BF16, 8, new double[][] {p, g, m, v}, decaying);
        assertThat(rounded[0]).isEqualTo(exact[0]);
        StepInputs step = OpsFixture.STEP;
        for (int i = 0; i < count; i++) {
            int random = random(AdamWOp.ROUNDING_SITE, step.step(), 8 + i);
            assertThat(rounded[1][i]).isEqualTo(rounded(exact[1][i], random & 0xffff));
            assertThat(rounded[2][i]).isEqualTo(rounded(exact[2][i], random >>> 16));
        }
        double[][] parts = new double[3][];
        int from = Math.min(cut, count);
        double[][] before = stepped(f, DType.BF16, 8, part(0, from, p, g, m, v), Math.min(decaying, from));
        double[][] after =
                stepped(f, DType.BF16, 8 + from, part(from, count, p, g, m, v), Math.max(0, decaying - from));
        for (int i = 0; i < 3; i++) {
            parts[i] = DoubleStream.concat(DoubleStream.of(before[i]), DoubleStream.of(after[i]))
                    .toArray();
            assertThat(parts[i]).isEqualTo(rounded[i]);
        }
    }

    /** Sums that a bf16 cannot hold exactly: the random bits are those of (seed, micro-batch, weight), in one pass or in parts. */
    @ParameterizedTest
    @CsvSource({"1, 0", "13, 4", "4099, 4", "70001, 65536"})
    default void sumsInBf16AreRoundedAtRandom(int count, int cut) {
        OpsFixture f = fixture();
        double[] before = f.read(f.gaussian(DType.BF16, 1, count));
        double[] x = f.read(f.floats(count));
        double[] whole = summed(f, 8, before, x);
        StepInputs step = OpsFixture.STEP;
        for (int i = 0; i < count; i++) {
            double exact = (float) before[i] + (float) x[i];
            assertThat(whole[i]).isEqualTo(rounded(exact, random(Accumulation.SITE, step.stream(), 8 + i) & 0xffff));
        }
        int from = Math.min(cut, count);
        double[] first = summed(f, 8, Arrays.copyOf(before, from), Arrays.copyOf(x, from));
        double[] rest =
                summed(f, 8 + from, Arrays.copyOfRange(before, from, count), Arrays.copyOfRange(x, from, count));
        assertThat(DoubleStream.concat(DoubleStream.of(first), DoubleStream.of(rest))
                        .toArray())
                .isEqualTo(whole);
    }

    /** To nearest, 1 + 2^-10 would stay 1 for ever. */
    @Test
    default void smallSummandsAreKeptOnAverage() {
        OpsFixture f = fixture();
        int count = 4096;
        double[] ones = new double[count];
        double[] small = new double[count];
        Arrays.fill(ones, 1);
        Arrays.fill(small, 0x1p-10);
        Tensor sum = f.of(DType.BF16, ones, count);
        Tensor x = f.of(DType.F32, small, count);
        for (int i = 0; i < 128; i++) {
            f.ops().accumulate(new Accumulation(x, sum, 0));
            f.ops().nextMicroBatch();
        }
        double mean = DoubleStream.of(f.read(sum)).average().orElseThrow();
        assertThat(mean).isBetween(1.12, 1.13); // 1 + 128 / 1024 = 1.125
    }

    @Test
    default void sumsThatAreNotFiniteStayVisible() {
        OpsFixture f = fixture();
        double[] values = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, 1, Float.intBitsToFloat(-1)};
        Tensor sum = f.of(DType.BF16, new double[values.length], values.length);
        f.ops().accumulate(new Accumulation(f.of(DType.F32, values, values.length), sum, 0));
        assertThat(f.read(sum))
                .containsExactly(Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, 1, Double.NaN);
        f.ops().gradientNorm(sum, 1);
        assertThat(f.device().gradientNorm()).isNaN();
    }

    private static double[] summed(OpsFixture f, long first, double[] before, double[] x) {
        Tensor sum = f.of(DType.BF16, before, before.length);
        if (x.length > 0) {
            f.ops().accumulate(new Accumulation(f.of(DType.F32, x, x.length), sum, first));
        }
        return f.read(sum);
    }

    /** Gradients that bf16 holds exactly: norm, squares and update are those of F32. */
    @ParameterizedTest
    @CsvSource({"1, 1", "13, 0", "4099, 2049"})
    default void gradientsMayBeBf16(int count, int decaying) {
        OpsFixture f = fixture();
        double[][] state = {
            f.read(f.floats(count)),
            f.read(f.gaussian(DType.BF16, 1, count)),
            f.read(f.floats(count)),
            DoubleStream.of(f.read(f.floats(count))).map(v -> v * v).toArray()
        };
        Tensor[] gradients = {f.of(DType.F32, state[1], count), f.of(DType.BF16, state[1], count)};
        assertThat(f.ops().squares(gradients[1])).isEqualTo(f.ops().squares(gradients[0]));
        for (DType moments : List.of(DType.F32, DType.BF16)) {
            assertThat(stepped(f, moments, 8, gradients[1], state, decaying))
                    .isDeepEqualTo(stepped(f, moments, 8, gradients[0], state, decaying));
        }
    }

    private static int random(int site, long stream, long weight) {
        StepInputs step = OpsFixture.STEP;
        long[] words = ReferenceDropout.philox(
                new long[] {weight / 4, 0, site & 0xFFFFFFFFL, stream},
                new long[] {step.seed() & 0xFFFFFFFFL, step.seed() >>> 32});
        return (int) words[(int) (weight % 4)];
    }

    private static double rounded(double x, int random) {
        return Float.intBitsToFloat((Float.floatToIntBits((float) x) + random) & 0xffff0000);
    }

    private static double[][] part(int from, int to, double[]... all) {
        return Stream.of(all).map(one -> Arrays.copyOfRange(one, from, to)).toArray(double[][]::new);
    }

    /** p, m and v after a step of weights p, gradients g and moments m, v. */
    private static double[][] stepped(OpsFixture f, DType moments, long first, double[][] pgmv, int decaying) {
        return stepped(f, moments, first, f.of(DType.F32, pgmv[1], pgmv[1].length), pgmv, decaying);
    }

    private static double[][] stepped(
            OpsFixture f, DType moments, long first, Tensor g, double[][] pgmv, int decaying) {
        int count = pgmv[0].length;
        Tensor p = f.of(DType.F32, pgmv[0], count);
        Tensor working = f.device().activationType() == DType.F32 ? p : f.poisoned(count);
        Tensor m = f.of(moments, pgmv[2], count);
        Tensor v = f.of(moments, pgmv[3], count);
        if (count > 0) {
            f.ops().gradientNorm(g, 0);
            f.ops().adamW(new AdamWOp(p, working, g, m, v, first, 0.9f, 0.99f, 1e-8f, 0.1f, decaying));
        }
        return new double[][] {f.read(p), f.read(m), f.read(v)};
    }

    private static double[][] adamW(double[] p, double[] g, double[] m, double[] v, double clip, int decaying) {
        StepInputs step = OpsFixture.STEP;
        for (int i = 0; i < p.length; i++) {
            double gradient = clip * g[i];
            m[i] = 0.9 * m[i] + 0.1 * gradient;
            v[i] = 0.99 * v[i] + 0.01 * gradient * gradient;
            double unbiased = m[i] / step.beta1Correction();
            double root = Math.sqrt(v[i] / step.beta2Correction());
            p[i] -= step.learningRate() * (unbiased / (root + 1e-8) + (i < decaying ? 0.1 * p[i] : 0));
        }
        return new double[][] {p, m, v};
    }

    /** What is rounded away comes with the next gradient: over any number of steps no more than one rounding is missing. */
    @ParameterizedTest
    @ValueSource(ints = {1, 13, 4097, 70_001})
    default void whatRoundingTakesIsKept(int count) {
        OpsFixture f = fixture();
        Tensor residual = f.of(DType.F32, new double[count], count);
        double[] exact = new double[count];
        double[] sent = new double[count];
        for (int step = 0; step < 20; step++) {
            Tensor x = f.floats(count);
            double[] gradient = f.read(x);
            double[] before = f.read(residual);
            f.ops().roundToBf16(x, residual);
            double[] rounded = f.read(x);
            double[] after = f.read(residual);
            for (int i = 0; i < count; i++) {
                float sum = (float) gradient[i] + (float) before[i];
                assertThat(Float.floatToIntBits((float) rounded[i]) & 0xffff).isZero();
                assertThat(rounded[i] + after[i]).isEqualTo(sum);
                assertThat(Math.abs(after[i])).isLessThanOrEqualTo(Math.abs(sum) / 256);
                exact[i] += gradient[i];
                sent[i] += rounded[i];
            }
        }
        double[] left = f.read(residual);
        for (int i = 0; i < count; i++) {
            assertThat(sent[i] + left[i]).isBetween(exact[i] - 1e-5, exact[i] + 1e-5);
        }
    }

    /** A tie goes to the even neighbour; what is nearer goes to the nearer one. */
    @Test
    default void ofTwoNeighboursTheEvenOneIsTaken() {
        OpsFixture f = fixture();
        double[] values = {1 + 0x1p-8, 1 + 0x1.8p-7, -1 - 0x1p-8, 1 + 0x1.0002p-8, 0, -0.0};
        Tensor x = f.of(DType.F32, values, values.length);
        f.ops().roundToBf16(x, f.of(DType.F32, new double[values.length], values.length));
        assertThat(f.read(x)).containsExactly(1, 1 + 0x1p-6, -1, 1 + 0x1p-7, 0, 0);
    }
}
