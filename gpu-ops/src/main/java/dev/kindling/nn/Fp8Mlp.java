package dev.kindling.nn;

import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Fp8Ops;
import dev.kindling.device.Gelu;
import dev.kindling.tensor.Tensor;

/** {@link Mlp} in FP8: the products beside GELU write what the next product reads; forward keeps GELU's slope for backward. */
final class Fp8Mlp implements FeedForward {
    private final Fp8Ops fp8;
    private final Fp8Linear fc;
    private final Fp8Linear projection;
    private final Gelu gelu;
    private final boolean geluAgain;
    private final Tensor dBias;
    /** (rows, 4 C): the slope of GELU; where GELU is computed again, what it is computed from until then. */
    private final Tensor hidden;

    Fp8Mlp(BlockContext context, String name) {
        fp8 = context.ops().fp8();
        fc = Fp8Linear.withoutBias(context, name + ".c_fc");
        geluAgain = context.workspace().recompute() == Recompute.GELU;
        projection = geluAgain
                ? Fp8Linear.ofSharedInput(context, name + ".c_proj")
                : Fp8Linear.withoutBias(context, name + ".c_proj");
        gelu = new Gelu(context.config().activation(), context.parameters().weight(name + ".c_fc.bias"));
        dBias = context.parameters().gradient(name + ".c_fc.bias");
        long wide = 4L * context.config().width();
        hidden = context.workspace().kept(name, "hidden", wide);
    }

    @Override
    public Fp8Matrix input() {
        return fc.input();
    }

    @Override
    public void forward(Tensor x, Tensor y) {
        recompute(x);
        projection.forward(null, y);
    }

    @Override
    public void recompute(Tensor x) {
        fc.forwardGelu(gelu, geluAgain ? Fp8Ops.Kept.X : Fp8Ops.Kept.SLOPE, hidden, projection.input());
    }

    @Override
    public void backward(Tensor x, Tensor dy, Tensor dx, boolean accumulate) {
        if (geluAgain) {
            fp8.gelu(gelu, hidden, projection.input());
        }
        projection.backwardGelu(dy, hidden, fc.gradient(), dBias, accumulate);
        fc.backward(dx, accumulate);
    }
}
