package dev.kindling.nn.parameter;

import com.google.errorprone.annotations.FormatMethod;
import dev.kindling.device.Gelu;
import java.util.Locale;

/**
 * The model's architecture: GPT-2 (Radford et al., 2019) as nanoGPT builds it, with pre-norm blocks and the output head
 * tied to the token embedding.
 *
 * @param vocabulary V, number of token ids
 * @param blockSize T, the longest context
 * @param layers number of blocks
 * @param heads H; must divide {@code width}
 * @param width C, channels of the residual stream
 * @param dropout probability of dropping, after the embedding, on attention probabilities and on both residual
 *     branches
 * @param bias whether linear layers and layernorms have a bias
 */
public record GptConfig(
        int vocabulary,
        int blockSize,
        int layers,
        int heads,
        int width,
        float dropout,
        boolean bias,
        Gelu.Form activation) {
    public GptConfig {
        check(vocabulary > 0, "vocabulary %d is not positive", vocabulary);
        check(blockSize > 0, "block_size %d is not positive; change model.block_size", blockSize);
        check(layers > 0, "n_layer %d is not positive; change model.n_layer", layers);
        check(heads > 0, "n_head %d is not positive; change model.n_head", heads);
        check(
                width > 0 && width % heads == 0,
                "n_embd %d is not divisible by n_head %d; change model.n_head",
                width,
                heads);
        check(dropout >= 0 && dropout < 1, "dropout %s is not in [0, 1); change model.dropout", dropout);
    }

    @FormatMethod
    private static void check(boolean ok, String message, Object... values) {
        if (!ok) {
            throw new IllegalArgumentException(String.format(Locale.ROOT, message, values));
        }
    }

    public int headDim() {
        return width / heads;
    }

    /** The same model without dropout: for evaluation and generation. */
    public GptConfig withoutDropout() {
        return new GptConfig(vocabulary, blockSize, layers, heads, width, 0, bias, activation);
    }

    /** The same model with biases, for formats that know no other. */
    public GptConfig withBias() {
        return new GptConfig(vocabulary, blockSize, layers, heads, width, dropout, true, activation);
    }
}
