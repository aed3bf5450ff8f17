package dev.kindling.nn.parameter;

import dev.kindling.nn.parameter.Parameters.Entry;
import java.nio.FloatBuffer;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinTask;

/**
 * GPT-2's initialisation: N(0, 0.02) for matrices and embeddings, N(0, 0.02 / sqrt(2 layers)) for the two projections
 * into the residual stream, ones for layernorm weights, zeros for biases. Each weight has its own random stream, seeded
 * by the seed and its name. Pieces of it are drawn side by side, on the common pool, while earlier ones go to the device, and
 * no bit depends on how many threads draw them. A few pieces are held at a time, whatever the size of the model.
 */
final class InitialWeights {
    private static final int PIECE = 1 << 18;
    /** Pairs of a piece that is drawn: some 25,000 values, a millisecond. */
    private static final int PAIRS = 1 << 14;

    private final Parameters parameters;
    private final long seed;

    InitialWeights(Parameters parameters, long seed) {
        this.parameters = parameters;
        this.seed = seed;
    }

    /** Overwrites all weights. */
    void draw() {
        parameters.clear();
        for (Entry entry : parameters.entries()) {
            if (entry.decays()) {
                draw(entry);
            } else {
                fill(entry, entry.name().endsWith(".weight") ? 1 : 0);
            }
        }
    }

    private void fill(Entry entry, float value) {
        long count = entry.shape().count();
        float[] piece = new float[(int) Math.min(count, PIECE)];
        Arrays.fill(piece, value);
        for (long at = 0; at < count; at += piece.length) {
            set(entry, at, piece, count);
        }
    }

    private void draw(Entry entry) {
        GptConfig config = parameters.config();
        long count = entry.name().equals("wte.weight")
                ? (long) config.vocabulary() * config.width()
                : entry.shape().count();
        double deviation = entry.name().endsWith("c_proj.weight") ? 0.02 / Math.sqrt(2.0 * config.layers()) : 0.02;
        GaussianStream stream =
                new GaussianStream(seed * 0x9E3779B97F4A7C15L + entry.name().hashCode());
        int most = 4 * (ForkJoinPool.getCommonPoolParallelism() + 1);
        Deque<ForkJoinTask<float[]>> drawn = new ArrayDeque<>();
        long pairs = 0;
        for (long at = 0; at < count; ) {
            // As many as are needed on average, then one by one.
            while (drawn.isEmpty() || (drawn.size() < most && pairs < GaussianStream.pairs(count))) {
                long first = pairs;
                drawn.add(ForkJoinPool.commonPool().submit(() -> stream.values(first, PAIRS, deviation)));
                pairs += PAIRS;
            }
            float[] piece = drawn.remove().join();
            set(entry, at, piece, count);
            at += piece.length;
        }
    }

    /** Sets an entry's values from the one at {@code at} on, as far as it has so many. */
    private void set(Entry entry, long at, float[] piece, long count) {
        parameters.set(entry.offset() + at, FloatBuffer.wrap(piece, 0, (int) Math.min(piece.length, count - at)));
    }
}
