package dev.kindling.local;

import dev.kindling.nn.sample.Sampling;
import java.util.List;
import java.util.Locale;

/**
 * How a prompt is continued.
 *
 * @param maxTokens the most tokens that are added, 1 or more
 * @param sampling how each is drawn
 * @param stops strings before the first of which the text ends
 * @param seed equal seeds give equal texts
 */
public record GenerationOptions(int maxTokens, Sampling sampling, List<String> stops, long seed) {
    /** 100 tokens, drawn by the model's own probabilities. */
    public static final GenerationOptions DEFAULT = new GenerationOptions(100, new Sampling(1, 0, 1), List.of(), 1337);

    public GenerationOptions {
        if (maxTokens < 1) {
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "maxTokens is %d; ask for 1 token or more", maxTokens));
        }
        stops = List.copyOf(stops);
        if (stops.contains("")) {
            throw new IllegalArgumentException(
                    "a stop string is empty, and would end every text at once; leave it out");
        }
    }

    /** The same with another {@code maxTokens}. */
    public GenerationOptions withMaxTokens(int tokens) {
        return new GenerationOptions(tokens, sampling, stops, seed);
    }

    /** The same, with other sampling. */
    public GenerationOptions withSampling(Sampling other) {
        return new GenerationOptions(maxTokens, other, stops, seed);
    }

    /** The same, which ends before the first of these strings. */
    public GenerationOptions withStops(String... strings) {
        return new GenerationOptions(maxTokens, sampling, List.of(strings), seed);
    }

    /** The same, with another seed. */
    public GenerationOptions withSeed(long other) {
        return new GenerationOptions(maxTokens, sampling, stops, other);
    }
}
