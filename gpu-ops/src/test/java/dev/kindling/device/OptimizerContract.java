package dev.kindling.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.reference.ReferenceDropout;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
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
            long[] words = ReferenceDropout.philox(
                    new long[] {(8 + i) / 4, 0, AdamWOp.ROUNDING_SITE & 0xFFFFFFFFL, step.step()},
                    new long[] {step.seed() & 0xFFFFFFFFL, step.seed() >>> 32});
            int random = (int) words[(8 + i) % 4];
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

    private static double rounded(double x, int random) {
        return Float.intBitsToFloat((Float.floatToIntBits((float) x) + random) & 0xffff0000);
    }

    private static double[][] part(int from, int to, double[]... all) {
        return Stream.of(all).map(one -> Arrays.copyOfRange(one, from, to)).toArray(double[][]::new);
    }

    /** p, m and v after a step of weights p, gradients g and moments m, v. */
    private static double[][] stepped(OpsFixture f, DType moments, long first, double[][] pgmv, int decaying) {
        int count = pgmv[0].length;
        Tensor p = f.of(DType.F32, pgmv[0], count);
        Tensor working = f.device().activationType() == DType.F32 ? p : f.poisoned(count);
        Tensor g = f.of(DType.F32, pgmv[1], count);
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
