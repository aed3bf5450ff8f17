package dev.kindling.optim;

import dev.kindling.device.AdamWOp;
import dev.kindling.device.Device;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.parameter.Parameters.Range;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntConsumer;

/**
 * AdamW (Loshchilov and Hutter, arXiv:1711.05101) over the weights that this rank updates: all of them or, with ZeRO,
 * its own shard. Only matrices and embeddings decay. With g = clip scale * gradient and t = step + 1:
 *
 * <pre>{@code
 * m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
 * w -= lr (weightDecay w + (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon))
 * }</pre>
 *
 * <p>All of it in F32; moments may be kept in BF16, see {@link AdamWOp}. Where activations are half precision, the rounded weights also go to the working copy.
 */
public final class AdamW {
    /** The coefficients; epsilon is 1e-8. */
    public record Coefficients(float beta1, float beta2, float weightDecay) {}

    private static final float EPSILON = 1e-8f;

    private final Device device;
    private final Coefficients coefficients;
    private final Tensor m;
    private final Tensor v;
    private final List<Optional<AdamWOp>> ops = new ArrayList<>();

    /**
     * Allocates the moments of the weights that this rank updates ({@link Parameters#kept}) and sets them to 0.
     *
     * @param moments their type, F32 or BF16
     */
    public AdamW(Parameters parameters, Coefficients coefficients, DType moments, Device device, Arena arena) {
        this.device = device;
        this.coefficients = coefficients;
        m = arena.allocate("first moments", moments, parameters.kept().count());
        v = arena.allocate("second moments", moments, parameters.kept().count());
        device.ops().fill(m, 0);
        device.ops().fill(v, 0);
        for (Range range : parameters.kept().ranges()) {
            ops.add(range.length() == 0 ? Optional.empty() : Optional.of(op(parameters, range)));
        }
    }

    private AdamWOp op(Parameters parameters, Range range) {
        long offset = parameters.kept().offset(range);
        return new AdamWOp(
                parameters.master(range),
                parameters.working().slice(0, range.offset(), range.length()),
                parameters.gradients().slice(0, range.offset(), range.length()),
                m.slice(0, offset, range.length()),
                v.slice(0, offset, range.length()),
                range.offset(),
                coefficients.beta1(),
                coefficients.beta2(),
                EPSILON,
                coefficients.weightDecay(),
                range.intersect(parameters.decaying()).length());
    }

    /**
     * Updates the weights with the step's learning rate, bias corrections and clip scale, and reports progress.
     *
     * @param updated called with the index of each of {@link Parameters#kept} as soon as its update is enqueued
     */
    public void step(IntConsumer updated) {
        for (int i = 0; i < ops.size(); i++) {
            ops.get(i).ifPresent(device.ops()::adamW);
            updated.accept(i);
        }
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

    /** First moments m (count of {@link Parameters#kept}), F32 or BF16. */
    public Tensor firstMoments() {
        return m;
    }

    /** Second moments v (count of {@link Parameters#kept}), F32 or BF16. */
    public Tensor secondMoments() {
        return v;
    }
}
