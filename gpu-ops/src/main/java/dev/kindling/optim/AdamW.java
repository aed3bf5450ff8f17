package dev.kindling.optim;

import dev.kindling.device.AdamWOp;
import dev.kindling.device.Device;
import dev.kindling.device.Ops;
import dev.kindling.nn.Parameters;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;

/** AdamW over a model's flat buffers (Loshchilov and Hutter, arXiv:1711.05101); only matrices and embeddings decay. */
public final class AdamW {
    /** The coefficients; epsilon is 1e-8. */
    public record Coefficients(float beta1, float beta2, float weightDecay) {}

    private static final float EPSILON = 1e-8f;

    private final Ops ops;
    private final Coefficients coefficients;
    private final Tensor m;
    private final Tensor v;
    private final AdamWOp decaying;
    private final AdamWOp undecayed;

    /** Allocates the moments and sets them to 0. */
    public AdamW(Parameters parameters, Coefficients coefficients, Device device, Arena arena) {
        this.ops = device.ops();
        this.coefficients = coefficients;
        m = arena.allocate("first moments", DType.F32, parameters.count());
        v = arena.allocate("second moments", DType.F32, parameters.count());
        ops.fill(m, 0);
        ops.fill(v, 0);
        decaying = over(parameters, parameters.decaying(), coefficients.weightDecay());
        undecayed = over(parameters, parameters.undecayed(), 0);
    }

    private AdamWOp over(Parameters parameters, Parameters.Range range, float weightDecay) {
        return new AdamWOp(
                part(parameters.master(), range),
                part(parameters.working(), range),
                part(parameters.gradients(), range),
                part(m, range),
                part(v, range),
                coefficients.beta1(),
                coefficients.beta2(),
                EPSILON,
                weightDecay);
    }

    private static Tensor part(Tensor flat, Parameters.Range range) {
        return Tensor.dense(flat.buffer(), flat.offset() + range.offset(), Shape.of(range.length()));
    }

    /** Updates the weights with the step's learning rate, bias corrections and clip scale. */
    public void step() {
        ops.adamW(decaying);
        ops.adamW(undecayed);
    }

    /** 1 - beta1^t for a step counted from 0 (t = step + 1). */
    public float beta1Correction(long step) {
        return correction(coefficients.beta1(), step);
    }

    /** 1 - beta2^t for a step counted from 0 (t = step + 1). */
    public float beta2Correction(long step) {
        return correction(coefficients.beta2(), step);
    }

    private static float correction(float beta, long step) {
        return (float) (1 - Math.pow(beta, step + 1.0));
    }

    /** First moments (count) F32. */
    public Tensor firstMoments() {
        return m;
    }

    /** Second moments (count) F32. */
    public Tensor secondMoments() {
        return v;
    }
}
