package dev.kindling.nn.sample;

import dev.kindling.nn.GptDecoder;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.function.IntPredicate;

/**
 * Continues up to a decoder's batch of prompts side by side. All advance by one token at a time; a sequence with a
 * longer prompt still reads it while others already draw. When the context is full, each sequence starts again from the
 * last half of it, so that the cost of a token stays bounded (nanoGPT recomputes the whole window for every token from
 * there on). A text does not depend on the others beside it.
 */
public final class TextGenerator {
    private final GptDecoder decoder;
    private final int vocabulary;

    public TextGenerator(GptDecoder decoder, int vocabulary) {
        this.decoder = decoder;
        this.vocabulary = vocabulary;
    }

    /**
     * A text to write.
     *
     * @param prompt at least one token
     * @param seed equal seeds give equal tokens
     * @param onToken called with each drawn token; returns whether to go on
     */
    @SuppressWarnings("ArrayRecordComponent") // a buffer, compared with nothing
    public record Request(int[] prompt, long seed, IntPredicate onToken) {
        public Request {
            if (prompt.length == 0) {
                throw new IllegalArgumentException("the prompt is empty; give at least one token");
            }
        }
    }

    /** How many texts can be written side by side. */
    public int batch() {
        return decoder.batch();
    }

    /**
     * Continues all requests, at most {@link #batch} of them.
     *
     * @param count how many tokens to draw for each
     */
    public void generate(List<Request> requests, int count, Sampling sampling) {
        if (requests.size() > batch()) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "%d texts do not fit a decoder for %d", requests.size(), batch()));
        }
        List<Text> texts = new ArrayList<>();
        requests.forEach(request -> texts.add(new Text(request, count, decoder.capacity())));
        float[] logits = new float[batch() * vocabulary];
        int[] tokens = new int[batch()];
        decoder.clear();
        for (int position = 0; texts.stream().anyMatch(text -> !text.done); position++) {
            if (decoder.room() == 0) {
                decoder.clear();
                position = 0;
                texts.forEach(text -> text.startAgain(decoder.capacity()));
            }
            for (int i = 0; i < texts.size(); i++) {
                tokens[i] = texts.get(i).token(position);
            }
            decoder.next(tokens, logits);
            for (int i = 0; i < texts.size(); i++) {
                texts.get(i).draw(position, logits, i * vocabulary, sampling);
            }
        }
    }

    private final class Text {
        private final Request request;
        private final SplittableRandom random;
        private final int[] context;
        private int length;
        private int left;
        private boolean done;

        Text(Request request, int count, int capacity) {
            this.request = request;
            random = new SplittableRandom(request.seed());
            context = new int[capacity + 1];
            keepLast(Math.min(capacity, request.prompt().length), request.prompt(), request.prompt().length);
            left = count;
            done = count == 0;
        }

        void startAgain(int capacity) {
            if (!done) {
                keepLast(Math.max(1, capacity / 2), context, length);
            }
        }

        private void keepLast(int kept, int[] from, int end) {
            System.arraycopy(from, end - kept, context, 0, kept);
            length = kept;
        }

        /** The token at a position of the context. */
        int token(int position) {
            return done ? 0 : context[position];
        }

        /** Draws the next token, if the one at {@code position} is the last known so far. */
        void draw(int position, float[] logits, int offset, Sampling sampling) {
            if (done || position + 1 < length) {
                return;
            }
            int token = sampling.draw(logits, offset, vocabulary, random);
            context[length++] = token;
            done = !request.onToken().test(token) || --left == 0;
        }
    }
}
