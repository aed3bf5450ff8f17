package dev.kindling.device.cpu.matmul;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.device.cpu.rows.CpuThreads;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What every {@link CpuMatmul} must do; a subclass per implementation. */
abstract class CpuMatmulContract {
    /** Fills what must not be touched. */
    private static final float GUARD = 12345.5f;

    abstract CpuMatmul create(CpuThreads threads);

    /** Largest error of an element, relative to the sum of the absolute values of its terms. */
    abstract double tolerance();

    /** A product over random data with padding around every matrix. */
    private record Trial(MatmulCall call, float[] cBefore) {
        static Trial of(int m, int n, int k, boolean transposeA, boolean transposeB, boolean accumulate, int seed) {
            Random random = new Random(seed);
            MatrixView a = view(random, m, k, transposeA);
            MatrixView b = view(random, k, n, transposeB);
            float[] c = new float[7 + m * (n + 5)];
            Arrays.fill(c, GUARD);
            MatrixView cView = MatrixView.of(c, 3, n + 5);
            for (int i = 0; i < m; i++) {
                for (int j = 0; j < n; j++) {
                    c[cView.index(i, j)] = accumulate ? (float) random.nextGaussian() : Float.NaN;
                }
            }
            MatmulCall call = MatmulCalls.product(m, n, k, a, b, cView);
            return new Trial(accumulate ? MatmulCalls.accumulating(call) : call, c.clone());
        }

        private static MatrixView view(Random random, int rows, int columns, boolean transposed) {
            int storedRows = transposed ? columns : rows;
            int storedColumns = transposed ? rows : columns;
            int stride = storedColumns + 3;
            float[] values = new float[5 + storedRows * stride];
            Arrays.fill(values, Float.NaN);
            MatrixView view = new MatrixView(values, 5, stride, transposed);
            for (int i = 0; i < rows; i++) {
                for (int j = 0; j < columns; j++) {
                    values[view.index(i, j)] = (float) random.nextGaussian();
                }
            }
            return view;
        }

        Trial with(MatmulCall changed) {
            return new Trial(changed, cBefore);
        }

        void check(double tolerance) {
            float[] c = call.c().values();
            boolean[] inside = new boolean[c.length];
            for (int i = 0; i < call.m(); i++) {
                for (int j = 0; j < call.n(); j++) {
                    int at = call.c().index(i, j);
                    inside[at] = true;
                    checkElement(i, j, c[at], tolerance);
                }
            }
            for (int at = 0; at < c.length; at++) {
                if (!inside[at] && c[at] != GUARD) {
                    fail("memory outside C at %d became %s", at, c[at]);
                }
            }
        }

        private void checkElement(int i, int j, float actual, double tolerance) {
            double sum = 0;
            double magnitude = 0;
            for (int p = 0; p < call.k(); p++) {
                double term = (double) call.a().values()[call.a().index(i, p)]
                        * call.b().values()[call.b().index(p, j)];
                sum += term;
                magnitude += Math.abs(term);
            }
            double addend = call.accumulate()
                    ? cBefore[call.c().index(i, j)]
                    : call.bias() != null ? call.bias()[call.biasOffset() + j] : 0;
            double expected = call.alpha() * sum + addend;
            double budget = tolerance * (Math.abs(call.alpha()) * magnitude + Math.abs(addend)) + 1e-30;
            if (!(Math.abs(actual - expected) <= budget)) {
                fail("C[%d, %d] of %s is %s, expected %s within %s", i, j, describe(), actual, expected, budget);
            }
        }

        private String describe() {
            return call.m() + "x" + call.n() + "x" + call.k() + (call.a().transposed() ? " A^T" : " A")
                    + (call.b().transposed() ? " B^T" : " B");
        }
    }

    static Stream<Arguments> sizes() {
        int[][] sizes = {
            {1, 1, 1},
            {1, 65, 13},
            {13, 1, 207},
            {8, 32, 64},
            {7, 31, 5},
            {9, 33, 257},
            {65, 207, 13},
            {207, 65, 128},
            {64, 64, 32},
            {100, 96, 520},
            {201, 400, 300},
            {203, 530, 40},
            {3, 500, 1}
        };
        return Stream.of(sizes)
                .flatMap(s -> Stream.of(false, true)
                        .flatMap(ta -> Stream.of(false, true).map(tb -> Arguments.of(s[0], s[1], s[2], ta, tb))));
    }

    @ParameterizedTest(name = "{0} x {1} x {2}, transposed {3} {4}")
    @MethodSource("sizes")
    void matchesTheDoublePrecisionReference(int m, int n, int k, boolean transposeA, boolean transposeB) {
        try (CpuThreads threads = new CpuThreads(2)) {
            CpuMatmul matmul = create(threads);
            for (boolean accumulate : new boolean[] {false, true}) {
                Trial trial = Trial.of(m, n, k, transposeA, transposeB, accumulate, 31 * m + n);
                matmul.multiply(trial.call());
                trial.check(tolerance());
            }
        }
    }

    @ParameterizedTest(name = "{0} x {1} x {2}, transposed {3} {4}")
    @MethodSource("sizes")
    void addsABiasAndScales(int m, int n, int k, boolean transposeA, boolean transposeB) {
        try (CpuThreads threads = new CpuThreads(2)) {
            Trial plain = Trial.of(m, n, k, transposeA, transposeB, false, 17 * m + n);
            float[] bias = new float[n + 4];
            Arrays.fill(bias, Float.NaN);
            for (int j = 0; j < n; j++) {
                bias[2 + j] = j - 0.37f * n;
            }
            Trial trial = plain.with(MatmulCalls.plusBias(MatmulCalls.scaled(-0.625f, plain.call()), bias, 2));
            create(threads).multiply(trial.call());
            trial.check(tolerance());
        }
    }

    @ParameterizedTest(name = "{0} x {1} x {2}, transposed {3} {4}")
    @MethodSource("sizes")
    void isBitIdenticalForEveryNumberOfThreads(int m, int n, int k, boolean transposeA, boolean transposeB) {
        float[] single = runWith(1, m, n, k, transposeA, transposeB);
        for (int count : new int[] {2, 3, 4}) {
            assertThat(runWith(count, m, n, k, transposeA, transposeB))
                    .as("%d threads", count)
                    .containsExactly(single);
        }
    }

    private float[] runWith(int count, int m, int n, int k, boolean transposeA, boolean transposeB) {
        try (CpuThreads threads = new CpuThreads(count)) {
            Trial trial = Trial.of(m, n, k, transposeA, transposeB, true, 5);
            create(threads).multiply(trial.call());
            return trial.call().c().values();
        }
    }

    @Test
    void aBatchIsItsProductsOneByOne() {
        int count = 13;
        int t = 37;
        int d = 20;
        Random random = new Random(3);
        float[] q = gaussian(random, count * t * d);
        float[] k = gaussian(random, count * t * d);
        float[] scores = new float[count * t * t + 9];
        Arrays.fill(scores, Float.NaN);
        MatmulCall first = MatmulCalls.scaled(
                0.25f,
                MatmulCalls.product(
                        t, t, d, MatrixView.of(q, 0, d), MatrixView.transpose(k, 0, d), MatrixView.of(scores, 9, t)));
        try (CpuThreads threads = new CpuThreads(2)) {
            CpuMatmul matmul = create(threads);
            matmul.multiply(first, MatmulCalls.strided(first, count, t * d, t * d, t * t));
            float[] expected = new float[scores.length];
            for (int i = 0; i < count; i++) {
                MatmulCall one = MatmulCalls.scaled(
                        0.25f,
                        MatmulCalls.product(
                                t,
                                t,
                                d,
                                MatrixView.of(q, i * t * d, d),
                                MatrixView.transpose(k, i * t * d, d),
                                MatrixView.of(expected, 9 + i * t * t, t)));
                matmul.multiply(one);
            }
            for (int i = 9; i < scores.length; i++) {
                assertThat((double) scores[i]).isCloseTo(expected[i], within(0.25 * d * 10 * tolerance()));
            }
            assertThat(scores[0]).isNaN();
            assertThat(scores[9]).isNotZero();
        }
    }

    @Test
    void withoutTermsOnlyTheAddendRemains() {
        try (CpuThreads threads = new CpuThreads(2)) {
            Trial empty = Trial.of(13, 40, 0, false, false, false, 1);
            create(threads).multiply(empty.call());
            empty.check(0);
            Trial nothing = Trial.of(0, 40, 8, false, false, false, 1);
            create(threads).multiply(nothing.call());
            nothing.check(0);
        }
    }

    @Test
    void scratchOfALargerProductDoesNotLeakIntoASmaller() {
        try (CpuThreads threads = new CpuThreads(2)) {
            CpuMatmul matmul = create(threads);
            for (int size : new int[] {150, 33, 5, 90, 1}) {
                Trial trial = Trial.of(size, size + 1, size + 2, true, true, false, size);
                matmul.multiply(trial.call());
                trial.check(tolerance());
            }
        }
    }

    @Test
    void refusesAMatrixThatDoesNotFitItsArray() {
        MatrixView a = MatrixView.of(new float[11], 0, 4);
        MatrixView ok = MatrixView.of(new float[64], 0, 8);
        assertThatThrownBy(() -> MatmulCalls.product(3, 4, 4, a, ok, ok))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("A of the matrix product is stored as 3 x 4");
    }

    static float[] gaussian(Random random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
