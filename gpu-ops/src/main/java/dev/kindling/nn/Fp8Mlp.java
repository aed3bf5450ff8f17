package dev.kindling.nn;

import dev.kindling.device.Fp8Ops;
import dev.kindling.device.Gelu;
import dev.kindling.tensor.Tensor;

/** {@link Mlp} in FP8: GELU, forward and backward, writes what the next product reads. */
final class Fp8Mlp implements FeedForward {
    private final Fp8Ops fp8;
    private final Fp8Linear fc;
    private final Fp8Linear projection;
    private final Gelu gelu;
    private final boolean geluAgain;
    private final Tensor dBias;
    private final Tensor hidden;
    private final Tensor dActivated;

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
        dActivated = context.workspace().shared("gradient of activated", wide);
    }

    @Override
    public void forward(Tensor x, Tensor y) {
        recompute(x);
        projection.forward(y);
    }

    @Override
    public void recompute(Tensor x) {
        fc.forward(x, hidden);
        fp8.gelu(gelu, hidden, projection.input());
    }

    @Override
    public void backward(Tensor x, Tensor dy, Tensor dx) {
        if (geluAgain) {
            fp8.gelu(gelu, hidden, projection.input());
        }
        projection.backward(null, dy, dActivated);
        fp8.geluBackward(gelu, hidden, dActivated, fc.gradient(), dBias);
        fc.backward(dx);
    }
}
