package dev.kindling.nn;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.IntConsumer;

/**
 * Continues a prompt. When the context is full, it starts again from the last half of it, so that the cost of a token
 * stays bounded (nanoGPT recomputes the whole window for each token from there on).
 */
public final class TextGenerator {
    private final GptDecoder decoder;
    private final int vocabulary;

    /** @param decoder for one sequence */
    public TextGenerator(GptDecoder decoder, int vocabulary) {
        if (decoder.batch() != 1) {
            throw new IllegalArgumentException("a generator decodes one sequence, not " + decoder.batch());
        }
        this.decoder = decoder;
        this.vocabulary = vocabulary;
    }

    /**
     * Draws tokens that continue a prompt.
     *
     * @param prompt at least one token
     * @param count how many tokens to draw
     * @param seed equal seeds give equal tokens
     * @param onToken called with each drawn token
     */
    public void generate(int[] prompt, int count, Sampling sampling, long seed, IntConsumer onToken) {
        if (prompt.length == 0) {
            throw new IllegalArgumentException("the prompt is empty; give at least one token");
        }
        SplittableRandom random = new SplittableRandom(seed);
        float[] logits = new float[vocabulary];
        int[] text = Arrays.copyOf(prompt, prompt.length + count);
        decoder.clear();
        int length = prompt.length;
        feed(text, Math.max(0, length - decoder.capacity()), length, logits);
        for (int i = 0; i < count; i++) {
            int token = sampling.draw(logits, 0, vocabulary, random);
            text[length++] = token;
            onToken.accept(token);
            if (i + 1 == count) {
                return;
            }
            if (decoder.room() == 0) {
                decoder.clear();
                feed(text, length - Math.max(1, decoder.capacity() / 2), length, logits);
            } else {
                feed(text, length - 1, length, logits);
            }
        }
    }

    private void feed(int[] text, int from, int to, float[] logits) {
        for (int i = from; i < to; i++) {
            decoder.next(new int[] {text[i]}, logits);
        }
    }
}
