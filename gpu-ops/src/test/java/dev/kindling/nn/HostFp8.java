package dev.kindling.nn;

import dev.kindling.device.CrossEntropy;
import dev.kindling.device.Device;
import dev.kindling.device.Fp8Matmul;
import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Fp8Ops;
import dev.kindling.device.Gelu;
import dev.kindling.device.Ops;
import dev.kindling.device.Precision;
import dev.kindling.device.ResidualLayerNorm;
import dev.kindling.device.StepInputs;
import dev.kindling.device.cuda.Fp8Rounding;
import dev.kindling.reference.ReferenceGelu;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.List;
import java.util.Map;

/**
 * The operations of FP8 training in plain Java over a CPU device, whose tensors of FP8 hold rounded floats: so the model's part
 * of that training is tested where there is no Hopper GPU. Products are summed in double.
 */
final class HostFp8 implements Fp8Ops {
    private final Device device;
    private final Arena scratch;
    private float[] limits;
    private float lossScale;

    private HostFp8(Device device) {
        this.device = device;
        scratch = device.arena("scratch");
    }

    /** The device, with precision FP8. */
    static Device over(Device device) {
        HostFp8 fp8 = new HostFp8(device);
        Ops ops = proxy(Ops.class, device.ops(), Map.of("fp8", arguments -> fp8));
        return proxy(
                Device.class,
                device,
                Map.of(
                        "precision", arguments -> Precision.FP8,
                        "ops", arguments -> ops,
                        "arena", arguments -> fp8.arena((String) arguments[0]),
                        "setStep", arguments -> fp8.setStep((StepInputs) arguments[0])));
    }

    private interface Call {
        Object with(Object[] arguments);
    }

    private static <T> T proxy(Class<T> type, T behind, Map<String, Call> own) {
        Object made =
                Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (self, method, arguments) -> {
                    Call call = own.get(method.getName());
                    if (call != null) {
                        return call.with(arguments);
                    }
                    try {
                        return method.invoke(behind, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
        return type.cast(made);
    }

    private Void setStep(StepInputs inputs) {
        lossScale = inputs.lossScale();
        device.setStep(inputs);
        return null;
    }

    private Arena arena(String name) {
        Arena behind = device.arena(name);
        return proxy(Arena.class, behind, Map.of("allocate", arguments -> {
            DType type = (DType) arguments[1];
            boolean rounded = type == DType.E4M3 || type == DType.E5M2;
            Shape shape = arguments[2] instanceof Shape given ? given : Shape.of((long[]) arguments[2]);
            return behind.allocate((String) arguments[0], rounded ? DType.F32 : type, shape);
        }));
    }

    private float[] read(Tensor x) {
        Tensor dense = x;
        if (!x.isDense()) {
            dense = scratch.allocate("dense", x.dtype(), x.shape());
            device.ops().copy(x, dense);
        }
        float[] values = new float[Math.toIntExact(x.count())];
        device.download(dense, values);
        return values;
    }

    /** Rounds values * scale. */
    private void round(float[] values, Fp8Matrix to) {
        float scale = read(to.scale().scale())[0];
        float most = read(to.scale().maximum())[0];
        float limit = limits[Math.toIntExact(to.scale().scale().offset())];
        Fp8Rounding rounding = Fp8Rounding.of(limit > 448 ? DType.E5M2 : DType.E4M3);
        int columns = to.values().size(1);
        int rows = to.values().size(0);
        float[] rounded = new float[values.length];
        float[] transposed = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            most = Math.max(most, Math.abs(values[i]));
            rounded[i] = (float) rounding.round(values[i] * (double) scale);
            transposed[i % columns * rows + i / columns] = rounded[i];
        }
        device.upload(rounded, to.values());
        device.upload(transposed, to.transposed());
        device.upload(new float[] {most}, to.scale().maximum());
    }

    @Override
    public void quantize(Tensor x, Fp8Matrix to) {
        round(read(x), to);
    }

    @Override
    public void quantize(List<Tensor> x, List<Fp8Matrix> to) {
        for (int i = 0; i < x.size(); i++) {
            quantize(x.get(i), to.get(i));
        }
    }

    private float[] bias(Gelu op, int columns) {
        return op.bias() == null ? new float[columns] : read(op.bias());
    }

    @Override
    public void gelu(Gelu op, Tensor x, Fp8Matrix y) {
        float[] values = read(x);
        float[] slopes = new float[values.length];
        float[] bias = bias(op, x.size(-1));
        for (int i = 0; i < values.length; i++) {
            double at = values[i] + bias[i % bias.length];
            values[i] = (float) ReferenceGelu.value(op.form(), at);
            slopes[i] = (float) ReferenceGelu.derivative(op.form(), at);
        }
        device.upload(slopes, x);
        round(values, y);
    }

    @Override
    public void residualLayerNorm(ResidualLayerNorm op, Fp8Matrix y) {
        if (op.y() != null) {
            throw new IllegalArgumentException("y is in FP8 alone");
        }
        Tensor plain = scratch.allocate("y", DType.F32, op.residualOut().shape());
        device.ops()
                .residualLayerNorm(new ResidualLayerNorm(
                        op.residualIn(),
                        op.branch(),
                        op.branchBias(),
                        op.dropout(),
                        op.residualOut(),
                        op.weight(),
                        op.bias(),
                        plain,
                        op.mean(),
                        op.rstd()));
        quantize(plain, y);
    }

    private float[] product(Fp8Matrix.Operand left, Fp8Matrix.Operand right) {
        float[] a = read(left.values());
        float[] b = read(right.values());
        int k = left.values().size(1);
        int m = a.length / k;
        int n = b.length / k;
        double inverse = (double) read(left.inverseScale())[0] * read(right.inverseScale())[0];
        float[] c = new float[m * n];
        for (int i = 0; i < c.length; i++) {
            double sum = 0;
            for (int l = 0; l < k; l++) {
                sum += (double) a[i / n * k + l] * b[i % n * k + l];
            }
            c[i] = (float) (sum * inverse);
        }
        return c;
    }

    @Override
    public void matmul(Fp8Matmul op) {
        float[] c = product(op.a(), op.b());
        float[] bias = op.bias() == null ? new float[op.c().size(1)] : read(op.bias());
        float[] before = op.accumulate() ? read(op.c()) : new float[c.length];
        for (int i = 0; i < c.length; i++) {
            c[i] += bias[i % bias.length] + before[i];
        }
        device.upload(c, op.c());
    }

    @Override
    public void matmulGelu(Fp8Matrix.Operand a, Fp8Matrix.Operand b, Gelu op, Kept kept, Tensor to, Fp8Matrix y) {
        float[] product = product(a, b);
        device.upload(product, to);
        gelu(op, to, y);
        if (kept == Kept.X) {
            device.upload(product, to);
        }
    }

    @Override
    public void matmulGeluBackward(Fp8Matrix.Operand a, Fp8Matrix.Operand b, Tensor slope, Fp8Matrix dx, Tensor dBias) {
        float[] gradient = product(a, b);
        float[] slopes = read(slope);
        float[] sums = dBias == null ? new float[slope.size(-1)] : read(dBias);
        for (int i = 0; i < slopes.length; i++) {
            gradient[i] *= slopes[i];
            sums[i % sums.length] += gradient[i];
        }
        round(gradient, dx);
        if (dBias != null) {
            device.upload(sums, dBias);
        }
    }

    @Override
    public void crossEntropyWithGradient(CrossEntropy op, Fp8Matrix dLogits) {
        Tensor gradient = scratch.allocate("gradient", DType.F32, op.logits().shape());
        device.ops().copy(op.logits(), gradient);
        device.ops().crossEntropyWithGradient(new CrossEntropy(gradient, op.targets(), op.vocabulary(), op.losses()));
        quantize(gradient, dLogits);
    }

    @Override
    public void beginStep(Scales scales) {
        limits = read(scales.limit());
        float[] history = read(scales.history());
        float[] scale = new float[limits.length];
        float[] inverse = new float[limits.length * SPACING];
        for (int i = 0; i < limits.length; i++) {
            float most = 0;
            for (int h = 0; h < HISTORY; h++) {
                most = Math.max(most, history[i * HISTORY + h]);
            }
            float guess = limits[i] > 448 ? 256 / lossScale : 16;
            scale[i] = Math.scalb(1f, Math.getExponent(most > 0 ? limits[i] / most : guess));
            inverse[i * SPACING] = 1 / scale[i];
        }
        device.upload(scale, scales.scale());
        device.upload(inverse, scales.inverse());
        device.ops().fill(scales.maximum(), 0);
    }

    @Override
    public void endStep(Scales scales) {
        float[] history = read(scales.history());
        float[] maximum = read(scales.maximum());
        for (int i = 0; i < maximum.length; i++) {
            System.arraycopy(history, i * HISTORY, history, i * HISTORY + 1, HISTORY - 1);
            history[i * HISTORY] = maximum[i];
        }
        device.upload(history, scales.history());
    }
}
