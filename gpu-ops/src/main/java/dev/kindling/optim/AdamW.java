package dev.kindling.optim;

import dev.kindling.device.AdamWOp;
import dev.kindling.device.Device;
import dev.kindling.nn.Parameters;
import dev.kindling.nn.Parameters.Range;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * AdamW over a model's flat buffers, or over one rank's slice of them (Loshchilov and Hutter, arXiv:1711.05101); only
 * matrices and embeddings decay.
 */
public final class AdamW {
    /** The coefficients; epsilon is 1e-8. */
    public record Coefficients(float beta1, float beta2, float weightDecay) {}

    private static final float EPSILON = 1e-8f;

    private final Device device;
    private final Coefficients coefficients;
    private final Tensor m;
    private final Tensor v;
    private final Range slice;
    private final List<AdamWOp> ops = new ArrayList<>();

    /** Of all weights. */
    public AdamW(Parameters parameters, Coefficients coefficients, Device device, Arena arena) {
        this(parameters, parameters.all(), coefficients, device, arena);
    }

    /** Of a slice of the flat weights. Allocates its moments and sets them to 0. */
    public AdamW(Parameters parameters, Range slice, Coefficients coefficients, Device device, Arena arena) {
        this.device = device;
        this.slice = slice;
        this.coefficients = coefficients;
        m = arena.allocate("first moments", DType.F32, slice.length());
        v = arena.allocate("second moments", DType.F32, slice.length());
        device.ops().fill(m, 0);
        device.ops().fill(v, 0);
        add(parameters, parameters.decaying().intersect(slice), coefficients.weightDecay());
        add(parameters, parameters.undecayed().intersect(slice), 0);
    }

    private void add(Parameters parameters, Range range, float weightDecay) {
        if (range.length() == 0) {
            return;
        }
        ops.add(new AdamWOp(
                parameters.master().slice(0, range.offset(), range.length()),
                parameters.working().slice(0, range.offset(), range.length()),
                parameters.gradients().slice(0, range.offset(), range.length()),
                m.slice(0, range.offset() - slice.offset(), range.length()),
                v.slice(0, range.offset() - slice.offset(), range.length()),
                coefficients.beta1(),
                coefficients.beta2(),
                EPSILON,
                weightDecay));
    }

    /** Updates the weights with the step's learning rate, bias corrections and clip scale. */
    public void step() {
        ops.forEach(device.ops()::adamW);
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

    /** The part of the flat buffers that it updates. */
    public Range slice() {
        return slice;
    }

    /** First moments (length of the slice) F32. */
    public Tensor firstMoments() {
        return m;
    }

    /** Second moments (length of the slice) F32. */
    public Tensor secondMoments() {
        return v;
    }
}
