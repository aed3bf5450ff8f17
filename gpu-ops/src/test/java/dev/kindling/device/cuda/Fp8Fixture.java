package dev.kindling.device.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.device.Fp8Matmul;
import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Fp8Ops;
import dev.kindling.device.OpsFixture;
import dev.kindling.device.Precision;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;

/** Matrices in FP8 on a Hopper GPU, what they hold, and how near that is to double precision. Tests are skipped without one. */
abstract class Fp8Fixture {
    private static final int MOST_COLUMNS = 1024;

    private final Map<Integer, Fp8Matrix> identities = new HashMap<>(); // by size
    OpsFixture f;
    Arena arena;
    Fp8Ops ops;

    @BeforeEach
    void open() {
        Gpu.require();
        Assumptions.assumeTrue(
                CudaDevice.devices().get(0).compute() == 90, "SKIPPED: FP8 needs a GPU of compute capability 9.0");
        f = new OpsFixture(CudaDevice.open(0, Precision.FP8));
        arena = f.device().arena("fp8");
        ops = f.ops().fp8();
    }

    @AfterEach
    void close() {
        if (f != null) {
            arena.close();
            f.close();
        }
    }

    private Tensor number(double value) {
        return f.of(DType.F32, new double[] {value}, 1);
    }

    Fp8Matrix matrix(DType type, int rows, int columns, double scale) {
        return new Fp8Matrix(
                arena.allocate("values", type, rows, columns),
                arena.allocate("transposed", type, columns, rows),
                new Fp8Matrix.Scale(number(scale), number(1 / scale), number(0)));
    }

    private Fp8Matrix identity(int size) {
        double[] values = new double[size * size];
        for (int i = 0; i < size; i++) {
            values[i * size + i] = 1;
        }
        Fp8Matrix one = matrix(DType.E4M3, size, size, 1);
        ops.quantize(f.of(DType.BF16, values, size, size), one);
        return one;
    }

    /** What an operand holds, divided by its scale: its products with identities, which round nothing. */
    double[] read(Fp8Matrix.Operand operand) {
        int rows = operand.values().size(0);
        int columns = operand.values().size(1);
        double[] all = new double[rows * columns];
        for (int from = 0; from < columns; from += MOST_COLUMNS) {
            int n = Math.min(MOST_COLUMNS, columns - from);
            Tensor c = f.poisoned(DType.F32, rows, n);
            Fp8Matrix.Operand block = new Fp8Matrix.Operand(operand.values().slice(1, from, n), operand.inverseScale());
            ops.matmul(new Fp8Matmul(
                    block, identities.computeIfAbsent(n, this::identity).rows(), c, null, false, false));
            double[] values = f.read(c);
            for (int row = 0; row < rows; row++) {
                System.arraycopy(values, row * n, all, row * columns + from, n);
            }
        }
        return all;
    }

    static double[] transposed(double[] x, int rows, int columns) {
        double[] to = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            to[i % columns * rows + i / columns] = x[i];
        }
        return to;
    }

    static double[] rounded(double[] x, DType type, double scale) {
        double[] to = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            to[i] = Fp8Rounding.of(type).round(x[i] * scale) / scale;
        }
        return to;
    }

    /** The same numbers; zero is zero. */
    static void assertEqual(String what, double[] actual, double[] expected) {
        assertThat(actual).as(what).hasSameSizeAs(expected);
        int differs = 0;
        while (differs < actual.length && actual[differs] == expected[differs]) {
            differs++;
        }
        if (differs < actual.length) {
            assertThat(actual[differs]).as("%s[%d]", what, differs).isEqualTo(expected[differs]);
        }
    }

    /** Values and transpose are near, and the scale's maximum is that of the values. */
    void assertHolds(String what, Fp8Matrix actual, double[] expected, double tolerance) {
        int rows = actual.values().size(0);
        assertNear(what, read(actual.rows()), expected, tolerance);
        assertEqual(
                what + " transposed",
                read(actual.columns()),
                transposed(read(actual.rows()), rows, actual.values().size(1)));
        double most = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
        assertThat(f.read(actual.scale().maximum())[0]).isCloseTo(most, within(0.01 * most));
    }

    /** The norm of the error is within {@code tolerance} of the expected norm. */
    private static void assertNear(String what, double[] actual, double[] expected, double tolerance) {
        double error = 0;
        double norm = 0;
        for (int i = 0; i < actual.length; i++) {
            error += (actual[i] - expected[i]) * (actual[i] - expected[i]);
            norm += expected[i] * expected[i];
        }
        assertThat(Math.sqrt(error / norm)).as(what).isLessThan(tolerance);
    }
}
