package dev.kindling.nn.sample;

import java.io.Serializable;
import java.util.Arrays;
import java.util.Locale;
import java.util.random.RandomGenerator;

/**
 * How the next token is drawn: logits are divided by the temperature, cut to the {@code topK} largest, then to the
 * smallest set whose probabilities add up to {@code topP} (Holtzman et al., arXiv:1904.09751), and drawn by their
 * softmax.
 *
 * @param temperature 0 takes the likeliest token
 * @param topK 0 for no limit
 * @param topP 1 for no limit
 */
public record Sampling(float temperature, int topK, float topP) implements Serializable {
    public Sampling {
        if (!(temperature >= 0) || Float.isInfinite(temperature)) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT, "temperature %s is not a finite number from 0 on; use e.g. 0.8", temperature));
        }
        if (topK < 0) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "top-k %d is negative; use 0 for no limit", topK));
        }
        if (!(topP > 0 && topP <= 1)) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "top-p %s is not in (0, 1]; use 1 for no limit", topP));
        }
    }

    /** Draws from the row of {@code vocabulary} logits at {@code offset}; equal random states give equal tokens. */
    public int draw(float[] logits, int offset, int vocabulary, RandomGenerator random) {
        Integer[] order = new Integer[vocabulary];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, (a, b) -> Float.compare(logits[offset + b], logits[offset + a]));
        if (temperature == 0) {
            return order[0];
        }
        int candidates = topK > 0 ? Math.min(topK, vocabulary) : vocabulary;
        double[] weights = new double[candidates];
        double largest = logits[offset + order[0]];
        double total = 0;
        for (int i = 0; i < candidates; i++) {
            weights[i] = Math.exp((logits[offset + order[i]] - largest) / temperature);
            total += weights[i];
        }
        double kept = 0;
        int count = 0;
        while (count < candidates && (count == 0 || kept < topP * total)) {
            kept += weights[count++];
        }
        double point = random.nextDouble() * kept;
        for (int i = 0; i < count; i++) {
            point -= weights[i];
            if (point < 0) {
                return order[i];
            }
        }
        return order[count - 1];
    }
}
