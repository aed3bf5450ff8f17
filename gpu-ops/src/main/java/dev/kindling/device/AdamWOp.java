package dev.kindling.device;

import dev.kindling.tensor.Tensor;
import java.util.Locale;

/**
 * One AdamW step (Loshchilov and Hutter, arXiv:1711.05101) over a flat range, with the learning rate, bias corrections
 * and clip scale of the step: g = clipScale gradient; m = beta1 m + (1-beta1) g; v = beta2 v + (1-beta2) g^2;
 * p -= lr (m / c1 / (sqrt(v / c2) + epsilon) + weightDecay p), without the last term from element {@code decaying} on.
 *
 * <p>BF16 moments are rounded at random, up with the probability of what is cut off, so that it is kept on average: the
 * bits of the F32 value plus 16 random ones, without their lower half (Gupta et al., arXiv:1502.02551). The random bits of
 * weight e are word e % 4 of Philox, its low half for m and its high half for v, with key = seed and counter = (e / 4 low,
 * high, {@value #ROUNDING_SITE}, step), seed and step from {@link StepInputs}: the same on every rank, device and resume.
 *
 * @param parameters (n) F32 master weights, updated
 * @param working (n) activation type, overwritten with the rounded weights; the same tensor as parameters under F32
 * @param gradients (n) F32 or BF16, read
 * @param m (n) F32 or BF16, updated
 * @param v (n) of the same type, updated
 * @param first the number of the first of the n weights among all of the model's, a multiple of 4
 * @param decaying how many of the n weights decay, from the first on
 */
public record AdamWOp(
        Tensor parameters,
        Tensor working,
        Tensor gradients,
        Tensor m,
        Tensor v,
        long first,
        float beta1,
        float beta2,
        float epsilon,
        float weightDecay,
        long decaying) {
    /** No {@link Dropout} of a model has this site. */
    public static final int ROUNDING_SITE = -1;

    public AdamWOp {
        if (first < 0 || first % 4 != 0) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "the first weight is number %d, not a multiple of 4", first));
        }
    }
}
