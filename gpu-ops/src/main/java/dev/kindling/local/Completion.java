package dev.kindling.local;

import dev.kindling.data.token.Tokenizer;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

/**
 * The text that a model adds to a prompt, as its tokens come. Text is passed on as soon as it is certain: whole
 * characters, and nothing that may turn out to be the beginning of a stop string. Not thread-safe.
 */
public final class Completion {
    /** The most tokens that one character takes in GPT-2's vocabulary. */
    private static final int TOKENS_A_CHARACTER = 4;

    /** Why a text ended. */
    public enum Finish {
        /** It has as many tokens as were asked for. */
        LENGTH,
        /** It reached a stop string, which is not part of it. */
        STOP,
        /** The model drew the end of text. */
        END_OF_TEXT;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    private final Tokenizer tokenizer;
    private final List<String> stops;
    private final Consumer<String> sink;
    private final int longestStop;
    private final StringBuilder text = new StringBuilder();
    private int[] undecoded = new int[0];
    private int passedOn;
    private int tokens;
    private Finish finish = Finish.LENGTH;

    /**
     * Begins a text.
     *
     * @param stops strings before the first of which the text ends
     * @param sink receives the text piece by piece
     */
    public Completion(Tokenizer tokenizer, List<String> stops, Consumer<String> sink) {
        this.tokenizer = tokenizer;
        this.stops = stops;
        this.sink = sink;
        longestStop = stops.stream().mapToInt(String::length).max().orElse(1);
    }

    /** Takes the next token; returns whether the text goes on. */
    public boolean accept(int token) {
        tokens++;
        if (tokenizer.endOfText().orElse(-1) == token) {
            finish = Finish.END_OF_TEXT;
            return false;
        }
        undecoded = Arrays.copyOf(undecoded, undecoded.length + 1);
        undecoded[undecoded.length - 1] = token;
        String decoded = tokenizer.decode(undecoded);
        if (decoded.endsWith("\uFFFD") && undecoded.length < TOKENS_A_CHARACTER) {
            return true; // perhaps the beginning of a character
        }
        undecoded = new int[0];
        append(decoded);
        return finish == Finish.LENGTH;
    }

    /** Passes on the text that was held back. */
    public void end() {
        if (undecoded.length > 0) {
            append(tokenizer.decode(undecoded));
            undecoded = new int[0];
        }
        passOn(text.length());
    }

    private void append(String decoded) {
        int from = Math.max(0, text.length() - longestStop + 1);
        text.append(decoded);
        int end = stops.stream()
                .mapToInt(stop -> text.indexOf(stop, from))
                .filter(at -> at >= 0)
                .min()
                .orElse(-1);
        if (end >= 0) {
            text.setLength(end);
            finish = Finish.STOP;
        } else {
            passOn(text.length() - longestStop + 1);
        }
    }

    private void passOn(int end) {
        if (end > passedOn) {
            sink.accept(text.substring(passedOn, end));
            passedOn = end;
        }
    }

    public String text() {
        return text.toString();
    }

    public Finish finish() {
        return finish;
    }

    /** Tokens drawn. */
    public int tokens() {
        return tokens;
    }
}
