package dev.kindling.nn;

import dev.kindling.attention.Sdpa;
import dev.kindling.nn.parameter.Parameters;
import java.util.Locale;

/**
 * Runs a model token by token with a key/value cache, so that each new token costs the forward pass of one row per
 * sequence. Not thread-safe.
 */
public final class GptDecoder {
    private final Gpt gpt;
    private final KvCache cache;
    private final Gpt.DeviceArena memory;
    private final int vocabulary;
    private final int padded;
    private final float[] logits;

    /**
     * Allocates a model for one token per sequence, and its cache.
     *
     * @param batch B, sequences decoded side by side
     */
    public GptDecoder(Parameters parameters, int batch, Sdpa sdpa, Gpt.DeviceArena memory) {
        this.memory = memory;
        vocabulary = parameters.config().vocabulary();
        padded = parameters.paddedVocabulary();
        cache = new KvCache(parameters.config(), batch, memory.device(), memory.arena());
        gpt = new Gpt(parameters, BatchShape.dense(batch, 1), Gpt.Use.decoding(cache), sdpa, memory);
        logits = new float[batch * padded];
    }

    public int batch() {
        return gpt.shape().batch();
    }

    /** How many more tokens per sequence fit into the context before {@link #clear} is needed. */
    public int room() {
        return cache.capacity() - cache.length();
    }

    public int capacity() {
        return cache.capacity();
    }

    /** Forgets all tokens. */
    public void clear() {
        cache.clear();
    }

    /**
     * Appends one token to each sequence.
     *
     * @param tokens (B)
     * @param next (B, V), overwritten with the logits of the next token
     * @throws IllegalStateException if the context is full
     */
    public void next(int[] tokens, float[] next) {
        if (room() == 0) {
            throw new IllegalStateException(String.format(
                    Locale.ROOT,
                    "the context of %d tokens is full; clear it and start from the last ones",
                    capacity()));
        }
        gpt.load(tokens, cache.length());
        gpt.forward();
        cache.advance();
        memory.device().download(gpt.logits(), logits);
        for (int b = 0; b < batch(); b++) {
            System.arraycopy(logits, b * padded, next, b * vocabulary, vocabulary);
        }
    }
}
