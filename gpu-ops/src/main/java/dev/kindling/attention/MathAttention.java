package dev.kindling.attention;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.Matmul;
import dev.kindling.device.Ops;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Attention composed of matrix products and a softmax; takes every device, type and mask, and O(Tq Tk) memory. The
 * control that the fused backends are measured against.
 *
 * <p>Forward: S = q k^T; P = softmax(scale S + mask); o = dropout(P) v. Backward: dV = dropout(P)^T dO; dP = dO v^T; dS
 * = scale P (dP - rowsum(P dP)); dQ = dS k; dK = dS^T q. Saves P, and with dropout also dropout(P), (B, H, Tq, Tk) each.
 */
public final class MathAttention implements AttentionBackend {
    private static final long PLANE_ALIGNMENT = 16;

    private final Ops ops;
    private final Arena arena;
    private final Map<Saved, Tensor> scratch = new HashMap<>();

    /**
     * Uses the device's matrix products and softmax.
     *
     * @param arena owns the scratch for dP, one tensor per shape
     */
    public MathAttention(Ops ops, Arena arena) {
        this.ops = ops;
        this.arena = arena;
    }

    @Override
    public Kind kind() {
        return Kind.MATH;
    }

    @Override
    public Optional<String> whyNot(AttentionShape shape) {
        return Optional.empty();
    }

    @Override
    public Saved saved(AttentionInputs inputs) {
        long planes = inputs.dropout().active() ? 2 : 1;
        return new Saved(inputs.query().dtype(), Shape.of(planes * planeStride(scores(inputs))));
    }

    /**
     * Elements between two planes of scores: rounded up, so that each plane starts where a device can load whole
     * vectors.
     */
    private static long planeStride(Shape scores) {
        return (scores.count() + PLANE_ALIGNMENT - 1) / PLANE_ALIGNMENT * PLANE_ALIGNMENT;
    }

    private static Tensor plane(AttentionInputs inputs, Tensor saved, int index) {
        Shape scores = scores(inputs);
        return Tensor.dense(saved.buffer(), saved.offset() + index * planeStride(scores), scores);
    }

    private static Shape scores(AttentionInputs inputs) {
        Shape query = inputs.query().shape();
        return Shape.of(
                query.extent(0),
                query.extent(1),
                query.extent(2),
                inputs.key().shape().extent(2));
    }

    @Override
    public void forward(AttentionInputs inputs, Tensor out, Tensor saved) {
        Tensor probabilities = plane(inputs, saved, 0);
        Tensor dropped = dropped(inputs, saved);
        ops.matmul(Matmul.of(inputs.query(), inputs.key().transpose(-1, -2), probabilities));
        ops.attentionSoftmax(inputs, probabilities, inputs.dropout().active() ? dropped : null);
        ops.matmul(Matmul.of(dropped, inputs.value(), out));
    }

    private static Tensor dropped(AttentionInputs inputs, Tensor saved) {
        return plane(inputs, saved, inputs.dropout().active() ? 1 : 0);
    }

    @Override
    public void backward(AttentionInputs inputs, Tensor out, Tensor saved, AttentionInputs.Gradients gradients) {
        Tensor dScores = scratch.computeIfAbsent(
                new Saved(inputs.query().dtype(), scores(inputs)),
                key -> arena.allocate("MATH attention gradient of scores", key.dtype(), key.shape()));
        ops.matmul(Matmul.of(dropped(inputs, saved).transpose(-1, -2), gradients.dOut(), gradients.dValue()));
        ops.matmul(Matmul.of(gradients.dOut(), inputs.value().transpose(-1, -2), dScores));
        ops.attentionSoftmaxBackward(inputs, plane(inputs, saved, 0), dScores);
        ops.matmul(Matmul.of(dScores, inputs.key(), gradients.dQuery()));
        ops.matmul(Matmul.of(dScores.transpose(-1, -2), inputs.query(), gradients.dKey()));
    }
}
