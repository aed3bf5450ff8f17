package dev.kindling.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.device.AttentionCase.Sizes;
import dev.kindling.reference.ReferenceAttention;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The softmax in MATH attention's middle: causal, masked, packed, dropped. */
public interface SoftmaxContract extends OpsUnderTest {

    @ParameterizedTest(name = "B{0} H{1} Tq{2} Tk{3} causal {4} dropout {5} logits {6}")
    @CsvSource({
        "1, 1, 1, 1, true, 0, 1",
        "2, 3, 13, 13, true, 0.2, 1",
        "1, 2, 63, 65, true, 0.1, 3",
        "1, 2, 65, 13, true, 0.3, 1",
        "2, 1, 64, 129, false, 0, 5",
        "1, 2, 127, 127, true, 0, 8"
    })
    default void softmaxMatchesTheFormula(
            int b, int h, int tq, int tk, boolean causal, float probability, double spread) {
        OpsFixture f = fixture();
        check(AttentionCase.dense(f, new Sizes(b, h, tq, tk, 8), causal, new Dropout(probability, 4), spread));
    }

    static Stream<int[]> packings() {
        return Stream.of(new int[] {0, 13}, new int[] {0, 1, 1, 14, 79}, new int[] {0, 0, 33, 33, 33, 66}, new int[] {
            0, 64, 65, 65
        });
    }

    @ParameterizedTest
    @MethodSource("packings")
    default void softmaxKeepsPackedSequencesApart(int[] cumulative) {
        OpsFixture f = fixture();
        check(AttentionCase.packed(f, 2, 8, cumulative, true, new Dropout(0.25f, 1)));
        check(AttentionCase.packed(f, 2, 8, cumulative, false, Dropout.NONE));
    }

    @ParameterizedTest(name = "mask ({0}, {1}, {2}, {3}) boolean {4}")
    @CsvSource({
        "2, 3, 13, 20, true",
        "2, 1, 13, 20, false",
        "1, 1, 1, 20, true",
        "2, 1, 1, 20, false",
        "1, 3, 13, 1, false"
    })
    default void appliesMasksThatBroadcast(int b, int h, int tq, int tk, boolean bool) {
        OpsFixture f = fixture();
        int count = b * h * tq * tk;
        double[] given = new double[count];
        double[] added = new double[count];
        for (int i = 0; i < count; i++) {
            boolean allowed = f.random().nextInt(3) > 0;
            given[i] = bool ? (allowed ? 1 : 0) : allowed ? (float) f.random().nextGaussian() : -1e30f;
            added[i] = bool ? (allowed ? 0 : Double.NEGATIVE_INFINITY) : given[i];
        }
        Tensor mask = f.of(bool ? DType.BOOL : DType.F32, given, b, h, tq, tk);
        check(AttentionCase.dense(f, new Sizes(2, 3, 13, 20, 8), true, Dropout.NONE, 1)
                .masked(mask, added));
    }

    @Test
    default void softmaxRowsThatSeeNothingAreZero() {
        OpsFixture f = fixture();
        double[] nothing = new double[13 * 20];
        double[] hidden = new double[13 * 20];
        Arrays.fill(hidden, Double.NEGATIVE_INFINITY);
        Sizes sizes = new Sizes(1, 2, 13, 20, 8);
        AttentionCase plain = AttentionCase.dense(f, sizes, false, Dropout.NONE, 1);
        check(plain.masked(f.of(DType.BOOL, nothing, 1, 1, 13, 20), hidden));
        check(plain.masked(f.of(DType.F32, hidden, 1, 1, 13, 20), hidden));
    }

    /** A CUDA grid takes 65,535: the rest goes in another launch. */
    @Test
    default void softmaxTakesAnyNumberOfBatches() {
        AttentionCase c = AttentionCase.dense(fixture(), new Sizes(66_000, 1, 2, 3, 8), true, new Dropout(0.2f, 4), 1);
        Matrices all = softmax(c);
        for (int first : new int[] {0, 65_500, 65_900}) {
            check(c, all, all.batches(first, 100), first, first + 100);
        }
    }

    /** What the softmax makes, all (B, H, Tq, Tk). */
    record Matrices(Tensor scores, Tensor dropped, Tensor dScores) {
        Matrices batches(int first, int count) {
            return new Matrices(
                    scores.slice(0, first, count), dropped.slice(0, first, count), dScores.slice(0, first, count));
        }
    }

    private void check(AttentionCase c) {
        Matrices all = softmax(c);
        check(c, all, all, 0, c.sequences());
    }

    private Matrices softmax(AttentionCase c) {
        OpsFixture f = fixture();
        AttentionInputs in = c.inputs;
        Tensor q = in.query();
        int tq = q.size(2);
        int tk = in.key().size(2);
        Tensor scores = f.poisoned(q.size(0), q.size(1), tq, tk);
        Tensor dropped = f.poisoned(q.size(0), q.size(1), tq, tk);
        Tensor dScores = f.poisoned(q.size(0), q.size(1), tq, tk);
        f.ops().matmul(Matmul.of(q, in.key().transpose(2, 3), scores));
        f.ops().attentionSoftmax(in, scores, dropped);
        f.ops().matmul(Matmul.of(c.dOut, in.value().transpose(2, 3), dScores));
        f.ops().attentionSoftmaxBackward(in, scores, dScores);
        return new Matrices(scores, dropped, dScores);
    }

    /** @param some of {@code all}, where sequences {@code from .. to-1} are */
    private void check(AttentionCase c, Matrices all, Matrices some, int from, int to) {
        OpsFixture f = fixture();
        int tq = all.scores().size(2);
        int tk = all.scores().size(3);
        double tolerance = Math.max(2e-5, 2 * f.productTolerance());
        double[][] expected = new double[3][(int) some.scores().count()];
        for (int s = from; s < to; s++) {
            for (int h = 0; h < c.heads(); h++) {
                ReferenceAttention reference = c.reference(s, h);
                double[][] dOut = f.rows(c.part(c.dOut, s, h));
                int at = (int)
                        (c.part(all.scores(), s, h).offset() - some.scores().offset());
                int column = c.inputs.sequences() == null ? 0 : at / tk % tq;
                place(reference.probabilities(), expected[0], at + column, tk);
                place(reference.dropped(), expected[1], at + column, tk);
                place(reference.backward(dOut)[0], expected[2], at + column, tk);
            }
        }
        f.assertClose("probabilities", some.scores(), expected[0], tolerance);
        f.assertClose("dropped", some.dropped(), expected[1], tolerance);
        f.assertClose("dScores", some.dScores(), expected[2], 2 * tolerance, f.cancelled());
        double[] zeros = f.read(some.scores());
        for (int i = 0; i < zeros.length; i++) {
            if (expected[0][i] == 0) {
                assertThat(zeros[i]).isZero();
            }
        }
    }

    private static void place(double[][] rows, double[] into, int at, int stride) {
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(rows[i], 0, into, at + i * stride, rows[i].length);
        }
    }
}
