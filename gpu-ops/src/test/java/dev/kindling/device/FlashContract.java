package dev.kindling.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.device.AttentionCase.Sizes;
import dev.kindling.reference.ReferenceAttention;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Fused attention, dense and packed, on strided views that lie in NaN. */
public interface FlashContract extends OpsUnderTest {

    @ParameterizedTest(name = "B{0} H{1} Tq{2} Tk{3} D{4} causal {5} dropout {6} logits {7}")
    @CsvSource({
        "1, 1, 1, 1, 32, true, 0, 1",
        "2, 3, 13, 13, 32, true, 0.2, 1",
        "1, 2, 63, 63, 64, true, 0, 1",
        "2, 2, 64, 64, 32, true, 0.1, 1",
        "1, 2, 65, 65, 64, false, 0, 1",
        "1, 2, 127, 127, 128, true, 0, 1",
        "1, 3, 129, 129, 32, true, 0.3, 2",
        "1, 1, 300, 300, 64, true, 0.1, 1",
        "1, 1, 13, 520, 64, false, 0, 1",
        "1, 2, 1, 77, 32, true, 0, 1",
        "1, 2, 40, 129, 64, true, 0.2, 1",
        "1, 2, 129, 40, 64, true, 0, 1",
        "1, 2, 65, 64, 64, true, 0, 6",
        "2, 2, 300, 300, 128, true, 0, 1",
        "1, 2, 129, 257, 128, false, 0, 1",
        "1, 2, 257, 63, 128, true, 0, 1",
        "1, 1, 1, 300, 128, true, 0, 1",
        "1, 1, 65, 65, 128, true, 0.2, 1",
        "1, 2, 63, 63, 80, true, 0, 1",
        "2, 2, 129, 129, 80, false, 0.2, 1",
        "1, 2, 130, 300, 96, true, 0, 1",
        "2, 3, 257, 63, 96, true, 0.1, 1",
        "2, 2, 64, 64, 256, true, 0, 1",
        "1, 2, 129, 200, 256, false, 0.2, 1",
        "1, 2, 300, 65, 256, true, 0, 1"
    })
    default void flashMatchesTheFormula(
            int b, int h, int tq, int tk, int d, boolean causal, float probability, double spread) {
        check(AttentionCase.dense(fixture(), new Sizes(b, h, tq, tk, d), causal, new Dropout(probability, 3), spread));
    }

    @ParameterizedTest
    @MethodSource("dev.kindling.device.SoftmaxContract#packings")
    default void flashKeepsPackedSequencesApart(int[] cumulative) {
        check(AttentionCase.packed(fixture(), 2, 32, cumulative, true, new Dropout(0.25f, 1)));
        check(AttentionCase.packed(fixture(), 3, 64, cumulative, false, Dropout.NONE));
        check(AttentionCase.packed(fixture(), 2, 128, cumulative, true, Dropout.NONE));
    }

    @Test
    default void flashKeepsPackedSequencesOfManyTilesApart() {
        int[] cumulative = {0, 1, 300, 300, 430};
        check(AttentionCase.packed(fixture(), 2, 64, cumulative, true, Dropout.NONE));
        check(AttentionCase.packed(fixture(), 2, 128, cumulative, true, Dropout.NONE));
        check(AttentionCase.packed(fixture(), 1, 128, cumulative, false, Dropout.NONE));
        check(AttentionCase.packed(fixture(), 2, 96, cumulative, true, Dropout.NONE));
        check(AttentionCase.packed(fixture(), 1, 256, cumulative, true, new Dropout(0.25f, 1)));
    }

    /** Bits for every score up to that bound would take more memory than a kernel may. */
    @Test
    default void flashTakesABoundFarAboveTheLengths() {
        Sizes sizes = new Sizes(1, 2, 1 << 21, 1 << 21, 64);
        check(AttentionCase.packed(fixture(), sizes, new int[] {0, 1, 130, 194}, true, new Dropout(0.25f, 1)));
    }

    /**
     * Logits of 0 make a row's probabilities equal, and rows of the unit matrix show them one by one: in out and dValue
     * through values and gradients, in dQuery through keys, in dKey through queries. Each is the reference's to a quarter
     * of what a single decision makes.
     */
    @ParameterizedTest(name = "T{0} D{1} causal {2}")
    @CsvSource({"70, 32, false", "129, 64, true"})
    default void flashDropsTheReferencesScores(int t, int d, boolean causal) {
        OpsFixture f = fixture();
        Dropout dropout = new Dropout(0.2f, 3);
        Tensor zeros = rows(f, t, d, (row, column) -> false);
        Tensor first = rows(f, t, d, (row, column) -> column == 0);
        for (int from = 0; from < t; from += d) {
            int start = from;
            Tensor unit = rows(f, t, d, (row, column) -> row == start + column);
            AttentionCase ofValues = AttentionCase.given(f, zeros, zeros, unit, unit, causal, dropout);
            AttentionCase ofKeys = AttentionCase.given(f, zeros, unit, first, first, causal, dropout);
            AttentionCase ofQueries = AttentionCase.given(f, unit, zeros, first, first, causal, dropout);
            Result values = run(f, ofValues);
            Tensor dQuery = run(f, ofKeys).gradients.dQuery();
            Tensor dKey = run(f, ofQueries).gradients.dKey();
            for (int h = 0; h < ofValues.heads(); h++) {
                ReferenceAttention reference = ofValues.reference(0, h);
                double[][] dOut = f.rows(ofValues.part(unit, 0, h));
                double[][] gradientOne = f.rows(ofValues.part(first, 0, h));
                Size byRow = (row, column) -> 1.0 / (causal ? row + 1 : t);
                Size byColumn = (row, column) -> byRow.at(Math.min(start + column, t - 1), 0);
                decided(f, "out", ofValues.part(values.out, 0, h), reference.out(), byRow);
                decided(
                        f,
                        "dValue",
                        ofValues.part(values.gradients.dValue(), 0, h),
                        reference.backward(dOut)[3],
                        byColumn);
                decided(
                        f,
                        "dQuery",
                        ofKeys.part(dQuery, 0, h),
                        ofKeys.reference(0, h).backward(gradientOne)[1],
                        byRow);
                decided(
                        f,
                        "dKey",
                        ofQueries.part(dKey, 0, h),
                        ofQueries.reference(0, h).backward(gradientOne)[2],
                        byColumn);
            }
        }
    }

    /** What one kept score makes of an element. */
    @FunctionalInterface
    interface Size {
        double at(int row, int column);
    }

    /** Is an element 1? */
    @FunctionalInterface
    interface One {
        boolean at(int row, int column);
    }

    private static void decided(OpsFixture f, String what, Tensor actual, double[][] expected, Size size) {
        double[][] values = f.rows(actual);
        for (int i = 0; i < expected.length; i++) {
            for (int j = 0; j < expected[i].length; j++) {
                assertThat(values[i][j])
                        .as("%s[%d][%d]", what, i, j)
                        .isCloseTo(expected[i][j], within(0.25 * size.at(i, j)));
            }
        }
    }

    /** Two heads alike. */
    private static Tensor rows(OpsFixture f, int t, int d, One one) {
        double[] values = new double[2 * t * d];
        for (int i = 0; i < values.length; i++) {
            values[i] = one.at(i / d % t, i % d) ? 1 : 0;
        }
        return f.of(f.device().activationType(), values, 1, 2, t, d);
    }

    private void check(AttentionCase c) {
        OpsFixture f = fixture();
        Result result = run(f, c);
        double tolerance = 2 * f.attentionTolerance();
        for (int s = 0; s < c.sequences(); s++) {
            for (int h = 0; h < c.heads(); h++) {
                ReferenceAttention reference = c.reference(s, h);
                double[][][] gradients = reference.backward(f.rows(c.part(c.dOut, s, h)));
                close(f, "out", c.part(result.out, s, h), reference.out(), tolerance);
                close(f, "dQuery", c.part(result.gradients.dQuery(), s, h), gradients[1], 3 * tolerance);
                close(f, "dKey", c.part(result.gradients.dKey(), s, h), gradients[2], 3 * tolerance);
                close(f, "dValue", c.part(result.gradients.dValue(), s, h), gradients[3], 3 * tolerance);
                f.assertClose("logSumExp", c.part(result.lse, s, h), reference.logSumExp(), tolerance);
            }
        }
    }

    private static void close(OpsFixture f, String what, Tensor actual, double[][] expected, double tolerance) {
        f.assertClose(what, actual, OpsFixture.flat(expected), tolerance, 2 * f.cancelled());
    }

    /** Outputs of both directions. */
    record Result(Tensor out, Tensor lse, AttentionInputs.Gradients gradients) {
        double[][] read(OpsFixture f) {
            return new double[][] {
                f.read(out),
                f.read(lse),
                f.read(gradients.dQuery()),
                f.read(gradients.dKey()),
                f.read(gradients.dValue())
            };
        }
    }

    private static Result run(OpsFixture f, AttentionCase c) {
        AttentionInputs in = c.inputs;
        FusedAttention flash = f.ops().flash();
        Tensor saved = f.poisoned(DType.F32, flash.saved(in));
        Tensor out = poisonedLike(f, in.query(), in.value().size(3));
        AttentionInputs.Gradients gradients = new AttentionInputs.Gradients(
                c.dOut,
                poisonedLike(f, in.query(), in.query().size(3)),
                poisonedLike(f, in.key(), in.key().size(3)),
                poisonedLike(f, in.value(), in.value().size(3)));
        flash.forward(in, out, saved);
        flash.backward(in, out, saved, gradients);
        Shape q = in.query().shape();
        Shape rows = Shape.of(q.extent(0), q.extent(1), q.extent(2));
        return new Result(out, Tensor.dense(saved.buffer(), saved.offset(), rows), gradients);
    }

    private static Tensor poisonedLike(OpsFixture f, Tensor like, int depth) {
        Tensor whole = f.poisoned(like.size(0), like.size(2), like.size(1), depth);
        return whole.transpose(1, 2);
    }

    @Test
    default void flashLargeLogitsStayExact() {
        OpsFixture f = fixture();
        Sizes sizes = new Sizes(1, 1, 65, 65, 64);
        AttentionCase c = AttentionCase.dense(f, sizes, true, Dropout.NONE, 11);
        double[] out = run(f, c).read(f)[0];
        assertThat(Arrays.stream(out).allMatch(Double::isFinite)).isTrue();
        f.assertClose(
                "out", run(f, c).out, OpsFixture.flat(c.reference(0, 0).out()), Math.max(1e-4, 4 * f.tolerance()));
    }

    @Test
    default void flashRowsThatSeeNothingGiveZeroAndInfinity() {
        OpsFixture f = fixture();
        AttentionCase c = AttentionCase.dense(f, new Sizes(1, 1, 40, 7, 32), true, Dropout.NONE, 1);
        double[][] result = run(f, c).read(f);
        for (int i = 0; i < 33 * 32; i++) {
            assertThat(result[0][i]).isZero();
            assertThat(result[2][i]).isZero();
        }
        for (int i = 0; i < 40; i++) {
            assertThat(result[1][i])
                    .satisfies(
                            i < 33
                                    ? v -> assertThat(v).isInfinite()
                                    : v -> assertThat(v).isFinite());
        }
    }

    @ParameterizedTest
    @CsvSource({"129, 64, 0.2", "300, 128, 0", "300, 80, 0", "129, 256, 0.2"})
    default void flashRepeatedRunsAreEqualBitForBit(int length, int d, float probability) {
        OpsFixture f = fixture();
        Sizes sizes = new Sizes(2, 3, length, length, d);
        AttentionCase c = AttentionCase.dense(f, sizes, true, new Dropout(probability, 3), 1);
        double[][] first = run(f, c).read(f);
        for (int i = 0; i < 10; i++) {
            assertThat(Arrays.deepEquals(first, run(f, c).read(f))).isTrue();
        }
    }

    @Test
    default void flashRefusesValuesOfAnotherWidth() {
        OpsFixture f = fixture();
        Tensor q = f.stridedBthd(1, 1, 13, 32, 1);
        Tensor v = f.stridedBthd(1, 1, 13, 64, 1);
        assertThat(f.ops().flash().whyNot(CausalInputs.of(q, q, v, Dropout.NONE).shape()))
                .hasValueSatisfying(
                        reason -> assertThat(reason).contains("value width").contains("64 and 32"));
    }

    @Test
    default void flashRefusesAMaskAndNamesIt() {
        OpsFixture f = fixture();
        AttentionCase c = AttentionCase.dense(f, new Sizes(1, 1, 13, 13, 32), false, Dropout.NONE, 1);
        double[] zeros = new double[13];
        AttentionInputs masked = c.masked(f.of(DType.F32, zeros, 1, 1, 1, 13), zeros).inputs;
        assertThat(f.ops().flash().whyNot(masked.shape()))
                .hasValueSatisfying(reason -> assertThat(reason).contains("ADDITIVE"));
        Tensor out = poisonedLike(f, masked.query(), 32);
        assertThatThrownBy(() -> f.ops().flash().forward(masked, out, f.poisoned(DType.F32, 1, 1, 13)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("ADDITIVE");
    }
}
