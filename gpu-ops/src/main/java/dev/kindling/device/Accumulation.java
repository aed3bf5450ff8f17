package dev.kindling.device;

import dev.kindling.tensor.Tensor;
import java.util.Locale;

/**
 * A running sum of gradients in BF16: sum = rounded(sum + x), added in F32 and rounded at random as {@link AdamWOp} rounds
 * moments: up with the probability of what is cut off. To nearest, a micro-batch that adds less than a 512th of the sum so
 * far would be lost, in every step anew; at random it is kept on average.
 *
 * <p>The random bits of weight e are the low half of word e % 4 of Philox, with key = seed and counter = (e / 4 low, high,
 * {@value #SITE}, micro-batch), seed and micro-batch as dropout has them: the same on every device and resume. Sums that
 * are not finite stay so.
 *
 * @param x (n) F32, read
 * @param sum (n) BF16, updated
 * @param first the number of the first of the n weights among all of the model's, a multiple of 4
 */
public record Accumulation(Tensor x, Tensor sum, long first) {
    /** No {@link Dropout} of a model has this site, nor {@link AdamWOp}. */
    public static final int SITE = -2;

    public Accumulation {
        if (first < 0 || first % 4 != 0) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "the first weight is number %d, not a multiple of 4", first));
        }
    }
}
