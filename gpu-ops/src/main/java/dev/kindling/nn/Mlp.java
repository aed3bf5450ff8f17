package dev.kindling.nn;

import dev.kindling.device.Fp8Matrix;
import dev.kindling.device.Gelu;
import dev.kindling.device.Ops;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.tensor.Tensor;

/** The feed-forward layer: y = gelu(x W_fc + b) W_proj. The bias of the projection is added by the next layernorm. */
final class Mlp implements FeedForward {
    private final Ops ops;
    private final DenseLinear fc;
    private final DenseLinear projection;
    private final Gelu gelu;
    private final boolean geluAgain;
    private final Tensor dBias;
    private final Tensor hidden;
    private final Tensor activated;
    private final Tensor dHidden;

    Mlp(BlockContext context, String name) {
        ops = context.ops();
        Parameters parameters = context.parameters();
        Workspace workspace = context.workspace();
        fc = DenseLinear.withoutBias(ops, parameters, name + ".c_fc");
        projection = DenseLinear.withoutBias(ops, parameters, name + ".c_proj");
        gelu = new Gelu(context.config().activation(), parameters.weight(name + ".c_fc.bias"));
        dBias = parameters.gradient(name + ".c_fc.bias");
        long wide = 4L * context.config().width();
        geluAgain = workspace.recompute() == Recompute.GELU;
        hidden = workspace.kept(name, "hidden", wide);
        activated = geluAgain ? workspace.shared("activated", wide) : workspace.kept(name, "activated", wide);
        dHidden = workspace.training() ? workspace.shared("gradient of hidden", wide) : null;
    }

    @Override
    public Fp8Matrix input() {
        return null;
    }

    @Override
    public void forward(Tensor x, Tensor y) {
        recompute(x);
        projection.forward(activated, y);
    }

    @Override
    public void recompute(Tensor x) {
        ops.matmulGelu(fc.product(x, hidden), gelu, activated);
    }

    @Override
    public void backward(Tensor x, Tensor dy, Tensor dx, boolean accumulate) {
        if (geluAgain) {
            ops.gelu(gelu, hidden, activated);
        }
        projection.gradients(activated, dy, accumulate);
        ops.matmulGeluBackward(projection.gradient(dy, dHidden), gelu, hidden, dBias);
        fc.backward(x, dHidden, dx, accumulate);
    }
}
