package dev.kindling.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.reference.ReferenceDropout;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.nio.FloatBuffer;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Fill, normal, copy, add, sum, sumRows. */
public interface CopyContract extends OpsUnderTest {

    @ParameterizedTest
    @ValueSource(ints = {1, 13, 207, 4098, 70001})
    default void addsAndSums(int count) {
        OpsFixture f = fixture();
        Tensor x = f.floats(count);
        Tensor into = f.floats(count);
        double[] a = f.read(x);
        double[] b = f.read(into);
        f.ops().add(x, into);
        double[] expected = new double[count];
        double sum = 0;
        double magnitude = 0;
        for (int i = 0; i < count; i++) {
            expected[i] = a[i] + b[i];
        }
        f.assertClose("x + into", into, expected, 3e-7);
        for (double value : f.read(into)) {
            sum += value;
            magnitude += Math.abs(value);
        }
        Tensor total = f.of(DType.F32, new double[] {100}, 1);
        f.ops().sum(into, total);
        assertThat(f.read(total)[0] - 100 - sum).isBetween(-1e-6 * (magnitude + 100), 1e-6 * (magnitude + 100));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 13, 207, 70001})
    default void normalValuesComeFromPhiloxBySite(int count) {
        OpsFixture f = fixture();
        Tensor x = f.poisoned(DType.F32, count);
        f.ops().normal(x, 7);
        double[] expected = new double[count];
        double sum = 0;
        double squares = 0;
        for (int e = 0; e < count; e++) {
            long[] words = ReferenceDropout.philox(
                    new long[] {e / 2, 0, 7, OpsFixture.STEP.stream()},
                    new long[] {OpsFixture.STEP.seed() & 0xFFFFFFFFL, OpsFixture.STEP.seed() >>> 32});
            long drawn = 0;
            for (int w = e % 2 * 2; w < e % 2 * 2 + 2; w++) {
                drawn += (words[w] & 0xFFFF) + (words[w] >>> 16);
            }
            expected[e] = (drawn - 131070) * Math.sqrt(3) / 65535;
            sum += expected[e];
            squares += expected[e] * expected[e];
        }
        f.assertClose("normal values", x, expected, 3e-7);
        if (count > 70000) {
            assertThat(sum / count).isBetween(-0.02, 0.02);
            assertThat(squares / count).isBetween(0.98, 1.02);
        }
        f.ops().normal(x, 8);
        assertThat(f.read(x)).isNotEqualTo(expected);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 13, 63, 65, 129, 1000})
    default void sumsRowsOntoWhatIsThere(int rows) {
        OpsFixture f = fixture();
        for (int width : new int[] {1, 40, 130, 264}) {
            Tensor x = f.activation(rows, width);
            Tensor sums = f.floats(width);
            double[] expected = f.read(sums);
            for (double[] row : f.rows(x)) {
                for (int c = 0; c < width; c++) {
                    expected[c] += row[c];
                }
            }
            f.ops().sumRows(x, sums);
            f.assertClose("column sums", sums, expected, 3e-6);
        }
    }

    @Test
    default void copiesBetweenStridedViews() {
        OpsFixture f = fixture();
        Tensor from = f.activation(3, 5, 7);
        Tensor to = f.poisoned(5, 7, 9).slice(2, 4, 3);
        f.ops().copy(from.transpose(0, 1).transpose(1, 2), to);
        double[] source = f.read(from);
        double[] target = f.read(to);
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 35; j++) {
                assertThat(target[j * 3 + i]).isEqualTo(source[i * 35 + j]);
            }
        }
        assertThatThrownBy(() -> f.ops().copy(from, to))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("(3, 5, 7)");
    }

    @Test
    default void readsBackWhatWasThereWhenItWasEnqueued() {
        OpsFixture f = fixture();
        Tensor x = f.floats(70001);
        double[] before = f.read(x);
        float[] first = new float[70001];
        float[] second = new float[70001];
        try (Readback one = f.device().readback(x);
                Readback other = f.device().readback(x)) {
            one.enqueue();
            f.ops().add(x, x);
            other.enqueue();
            f.ops().fill(x, 7);
            other.await(second);
            one.await(first);
        }
        for (int i = 0; i < first.length; i++) {
            assertThat((double) first[i]).isEqualTo(before[i]);
            assertThat((double) second[i]).isEqualTo(2 * before[i]);
        }
    }

    @Test
    default void readsBesideTheWorkThatGoesOn() {
        OpsFixture f = fixture();
        Tensor live = f.floats(5_000_000); // more than one piece
        Tensor copy = f.floats(5_000_000);
        double[] before = f.read(live);
        FloatBuffer read = FloatBuffer.allocate(5_000_002).position(1).limit(5_000_001);
        try (TensorReader reader = f.device().reader()) {
            f.ops().copy(live, copy);
            reader.follow();
            f.ops().fill(live, 7);
            reader.read(copy, read);
            reader.close();
            assertThatThrownBy(() -> reader.read(copy, read)).hasMessageContaining("after its reader was closed");
        }
        assertThat(read.position()).isEqualTo(1);
        read.clear();
        for (int i = 0; i < before.length; i += 997) {
            assertThat((double) read.get(1 + i)).isEqualTo(before[i]);
        }
        assertThat(read.get(0)).isZero();
        assertThat(read.get(5_000_001)).isZero();
    }

    @Test
    default void fillsAndLeavesNeighboursAlone() {
        OpsFixture f = fixture();
        Tensor x = f.floats(3, 13);
        double[] before = f.read(x);
        f.ops().fill(x.slice(0, 1, 1), 2.5f);
        double[] after = f.read(x);
        Arrays.fill(before, 13, 26, 2.5);
        assertThat(after).containsExactly(before);
    }
}
