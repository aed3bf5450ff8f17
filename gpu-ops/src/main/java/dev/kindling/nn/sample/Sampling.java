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
        int candidates = temperature == 0 ? 1 : topK > 0 ? Math.min(topK, vocabulary) : vocabulary;
        int[] order = largest(logits, offset, vocabulary, candidates);
        if (temperature == 0) {
            return order[0];
        }
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

    /** The tokens of the {@code count} largest logits, from the largest on; of equal ones the lowest number first. */
    static int[] largest(float[] logits, int offset, int vocabulary, int count) {
        long[] heap = new long[count]; // the smallest first, once it is full
        int held = 0;
        for (int token = 0; token < vocabulary; token++) {
            long key = key(logits[offset + token], token);
            if (held < count) {
                heap[held++] = key;
                if (held == count) {
                    Arrays.sort(heap);
                }
            } else if (key > heap[0]) {
                replaceSmallest(heap, key);
            }
        }
        Arrays.sort(heap);
        int[] order = new int[count];
        for (int i = 0; i < count; i++) {
            order[i] = Integer.MAX_VALUE - (int) heap[count - 1 - i];
        }
        return order;
    }

    /** Keys are ordered as {@link Float#compare} orders logits, and by falling numbers of tokens. */
    private static long key(float logit, int token) {
        int bits = Float.floatToIntBits(logit);
        int ordered = bits ^ (bits >> 31 & Integer.MAX_VALUE);
        return (long) ordered << 32 | (Integer.MAX_VALUE - token);
    }

    private static void replaceSmallest(long[] heap, long key) {
        int at = 0;
        for (int child = 1; child < heap.length; child = 2 * at + 1) {
            if (child + 1 < heap.length && heap[child + 1] < heap[child]) {
                child++;
            }
            if (heap[child] >= key) {
                break;
            }
            heap[at] = heap[child];
            at = child;
        }
        heap[at] = key;
    }
}
