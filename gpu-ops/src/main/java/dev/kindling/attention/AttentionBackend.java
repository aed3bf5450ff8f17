package dev.kindling.attention;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.AttentionShape;
import dev.kindling.tensor.DType;
import dev.kindling.tensor.Shape;
import dev.kindling.tensor.Tensor;
import java.util.Optional;

/** One way to compute scaled dot product attention. See {@link Sdpa} for the choice between them. */
public sealed interface AttentionBackend permits MathAttention, FusedBackend {
    enum Kind {
        MATH,
        FLASH,
        EFFICIENT
    }

    Kind kind();

    /** Why this backend cannot run such inputs (requirement and actual value), or empty if it can. */
    Optional<String> whyNot(AttentionShape shape);

    /** Type and shape of what forward saves for backward: probabilities for MATH, log-sum-exp for the fused ones. */
    Saved saved(AttentionInputs inputs);

    record Saved(DType dtype, Shape shape) {}

    /** Overwrites out (B, H, Tq, Dv), which may be strided, and saved. */
    void forward(AttentionInputs inputs, Tensor out, Tensor saved);

    /** Overwrites dQuery, dKey and dValue. {@code out} and {@code saved} are those of the forward call. */
    void backward(AttentionInputs inputs, Tensor out, Tensor saved, AttentionInputs.Gradients gradients);
}
