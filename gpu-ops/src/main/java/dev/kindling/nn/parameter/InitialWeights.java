package dev.kindling.nn.parameter;

import dev.kindling.nn.parameter.Parameters.Entry;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;

/**
 * GPT-2's initialisation: N(0, 0.02) for matrices and embeddings, N(0, 0.02 / sqrt(2 layers)) for the two projections
 * into the residual stream, ones for layernorm weights, zeros for biases. Each weight has its own random stream, seeded
 * by the seed and its name, so that weights are drawn side by side, on the common pool, and no bit depends on how many
 * threads draw them. A piece is held at a time, whatever the size of the model.
 */
final class InitialWeights {
    private static final int PIECE = 1 << 18;

    private final Parameters parameters;
    private final long seed;

    InitialWeights(Parameters parameters, long seed) {
        this.parameters = parameters;
        this.seed = seed;
    }

    /** Overwrites all weights. */
    void draw() {
        parameters.clear();
        List<Entry> largestFirst = parameters.entries().stream()
                .sorted(Comparator.comparingLong((Entry entry) -> entry.shape().count())
                        .reversed())
                .toList();
        largestFirst.parallelStream().forEach(this::draw);
    }

    private void draw(Entry entry) {
        GptConfig config = parameters.config();
        long count = entry.name().equals("wte.weight")
                ? (long) config.vocabulary() * config.width()
                : entry.shape().count();
        double deviation = entry.name().endsWith("c_proj.weight") ? 0.02 / Math.sqrt(2.0 * config.layers()) : 0.02;
        Random random = new Random(seed * 0x9E3779B97F4A7C15L + entry.name().hashCode());
        float[] piece = new float[(int) Math.min(count, PIECE)];
        if (!entry.decays()) {
            Arrays.fill(piece, entry.name().endsWith(".weight") ? 1 : 0);
        }
        for (long at = 0; at < count; at += piece.length) {
            int n = (int) Math.min(piece.length, count - at);
            for (int i = 0; i < n && entry.decays(); i++) {
                piece[i] = (float) (deviation * random.nextGaussian());
            }
            synchronized (this) { // one thread at a time uses the device
                parameters.set(entry.offset() + at, FloatBuffer.wrap(piece, 0, n));
            }
        }
    }
}
