package dev.kindling.local;

/**
 * How well a model predicts a text.
 *
 * @param tokens predicted: all but a first one that has nothing before it
 * @param bytes of UTF-8 of those tokens
 * @param nats the sum of their losses, -ln p each
 */
public record TextScore(long tokens, long bytes, double nats) {
    /** nats / tokens. */
    public double loss() {
        return nats / tokens;
    }

    /** exp(loss). */
    public double perplexity() {
        return Math.exp(loss());
    }

    /** nats / (ln 2 * bytes); unlike the others comparable between tokenizers. */
    public double bitsPerByte() {
        return nats / (Math.log(2) * bytes);
    }
}
