package dev.kindling.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.Random;

/** A device under test with its memory, random inputs as the device stores them, and comparisons scaled to its types. */
public final class OpsFixture implements AutoCloseable {
    public static final StepInputs STEP = new StepInputs(0x1234_5678_9ABC_DEFL, 5, 17, 0.01f, 0.19f, 0.0199f, 0.25f);

    private final Device device;
    private final Arena arena;
    private final Random random = new Random(20261124);

    public OpsFixture(Device device) {
        this.device = device;
        arena = device.arena("test");
        device.setStep(STEP);
    }

    public Device device() {
        return device;
    }

    public Ops ops() {
        return device.ops();
    }

    public Random random() {
        return random;
    }

    /** Relative error of results kept in the activation type. */
    public double tolerance() {
        return device.activationType() == DType.F32 ? 3e-6 : 1e-2;
    }

    /** Relative error of matrix products and what is made of them. */
    public double productTolerance() {
        return device.precision() == Precision.FP32 ? tolerance() : 1e-2;
    }

    /** Relative error of fused attention: its products are in the activation type. */
    public double attentionTolerance() {
        return device.activationType() == DType.F32 ? 5e-6 : 1e-2;
    }

    /**
     * The size that errors of attention's gradients are measured by where the exact ones cancel: P (dP - D) of rounded P,
     * dP and D, which are of size 1.
     */
    public double cancelled() {
        return device.activationType() == DType.F32 ? 0.01 : 0.05;
    }

    public Tensor activation(long... extents) {
        return gaussian(device.activationType(), 1, extents);
    }

    public Tensor floats(long... extents) {
        return gaussian(DType.F32, 1, extents);
    }

    public Tensor gaussian(DType dtype, double spread, long... extents) {
        Tensor tensor = arena.allocate("gaussian", dtype, extents);
        float[] values = new float[Math.toIntExact(tensor.count())];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (spread * random.nextGaussian());
        }
        device.upload(values, tensor);
        return tensor;
    }

    public Tensor of(DType dtype, double[] values, long... extents) {
        Tensor tensor = arena.allocate("given", dtype, extents);
        float[] floats = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            floats[i] = (float) values[i];
        }
        device.upload(floats, tensor);
        return tensor;
    }

    public Tensor integers(int[] values) {
        Tensor tensor = arena.allocate("integers", DType.I32, values.length);
        device.upload(values, tensor);
        return tensor;
    }

    /** Full of NaN, for what an op must overwrite. */
    public Tensor poisoned(DType dtype, long... extents) {
        return poisoned(dtype, Shape.of(extents));
    }

    public Tensor poisoned(DType dtype, Shape shape) {
        Tensor tensor = arena.allocate("poisoned", dtype, shape);
        device.ops().fill(tensor, Float.NaN);
        return tensor;
    }

    public Tensor poisoned(long... extents) {
        return poisoned(device.activationType(), extents);
    }

    /** What the device holds, in logical order; strided views are copied first. */
    public double[] read(Tensor tensor) {
        Tensor dense = tensor;
        if (!tensor.isDense()) {
            dense = arena.allocate("read", tensor.dtype(), tensor.shape());
            device.ops().copy(tensor, dense);
        }
        float[] values = new float[Math.toIntExact(tensor.count())];
        device.download(dense, values);
        double[] wide = new double[values.length];
        for (int i = 0; i < values.length; i++) {
            wide[i] = values[i];
        }
        return wide;
    }

    /** The tensor (..., C) as rows. */
    public double[][] rows(Tensor tensor) {
        return rows(read(tensor), tensor.size(-1));
    }

    public static double[][] rows(double[] flat, int width) {
        double[][] rows = new double[flat.length / width][width];
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(flat, i * width, rows[i], 0, width);
        }
        return rows;
    }

    public static double[] flat(double[][] rows) {
        double[] flat = new double[rows.length == 0 ? 0 : rows.length * rows[0].length];
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(rows[i], 0, flat, i * rows[0].length, rows[0].length);
        }
        return flat;
    }

    /** A view of this shape, the last dimension contiguous, inside a larger tensor full of NaN. */
    public Tensor stridedBthd(int b, int h, int t, int d, double spread) {
        Tensor whole = poisoned(b, t + 1, 3, h, d + 3);
        Tensor view = whole.slice(1, 0, t).slice(4, 2, d).select(2, 1).transpose(1, 2);
        device.ops().copy(gaussian(device.activationType(), spread, b, h, t, d), view);
        return view;
    }

    public void assertClose(String what, Tensor actual, double[] expected) {
        assertClose(what, actual, expected, tolerance());
    }

    public void assertClose(String what, Tensor actual, double[] expected, double tolerance) {
        assertClose(what, actual, expected, tolerance, 0);
    }

    /**
     * The error's norm is within {@code tolerance} of the expected norm, and no element is off by more than 16 times
     * that of the largest. Where all is expected to cancel, {@code floor} is taken for the size of an element.
     */
    public void assertClose(String what, Tensor actual, double[] expected, double tolerance, double floor) {
        double[] values = read(actual);
        assertThat(values).as(what).hasSameSizeAs(expected);
        double norm = 0;
        double error = 0;
        double largest = floor;
        int worst = 0;
        double most = 0;
        for (int i = 0; i < values.length; i++) {
            double difference = values[i] == expected[i] ? 0 : Math.abs(values[i] - expected[i]);
            norm += Double.isInfinite(expected[i]) ? 0 : expected[i] * expected[i];
            largest = Math.max(largest, Double.isInfinite(expected[i]) ? 0 : Math.abs(expected[i]));
            error += difference * difference;
            if (!(difference <= most)) {
                most = difference;
                worst = i;
            }
        }
        if (values.length > 0) {
            assertThat(most)
                    .as("%s[%d] is %s, expected %s", what, worst, values[worst], expected[worst])
                    .isLessThanOrEqualTo(16 * tolerance * largest + 1e-30);
        }
        double size = Math.max(Math.sqrt(norm), floor * Math.sqrt(values.length));
        assertThat(Math.sqrt(error))
                .as("norm of the error of %s, of norm %s", what, size)
                .isLessThanOrEqualTo(tolerance * size + 1e-30);
    }

    public Shape shape(long... extents) {
        return Shape.of(extents);
    }

    @Override
    public void close() {
        arena.close();
        device.close();
    }
}
