package dev.kindling.config;

import static dev.kindling.config.ConfigException.check;

import java.io.Serializable;

/** {@code model}: the shape of the GPT. */
public record ModelSection(
        @KeyDoc(defaultValue = "6", allowed = "1 or more", doc = "transformer blocks")
        int nLayer,

        @KeyDoc(defaultValue = "6", allowed = "1 or more, divides n_embd", doc = "attention heads of a block")
        int nHead,

        @KeyDoc(defaultValue = "384", allowed = "1 or more", doc = "width C of the residual stream")
        int nEmbd,

        @KeyDoc(defaultValue = "256", allowed = "1 or more", doc = "tokens T of a sequence, the longest context")
        int blockSize,

        @KeyDoc(defaultValue = "0.2", allowed = "[0, 1)", doc = "probability of dropout, while training")
        double dropout,

        @KeyDoc(defaultValue = "false", doc = "biases in linear layers and layer norms, as in GPT-2")
        boolean bias,

        @KeyDoc(
                defaultValue = "gelu",
                doc = "non-linearity of the MLP: GELU by the error function, or GPT-2's tanh form")
        Activation activation)
        implements Serializable {

    /** The MLP's non-linearity: GELU by the error function, or its tanh approximation (GPT-2). */
    public enum Activation {
        GELU,
        GELU_TANH
    }

    public ModelSection {
        check(nLayer >= 1, "model.n_layer is %d, but a model needs a layer; set it to 1 or more", nLayer);
        check(nHead >= 1, "model.n_head is %d, but attention needs a head; set it to 1 or more", nHead);
        check(nEmbd >= 1, "model.n_embd is %d, but an embedding needs a width; set it to 1 or more", nEmbd);
        check(
                nEmbd % nHead == 0,
                "model.n_embd %d is not divisible by model.n_head %d, so heads would differ in width;"
                        + " change model.n_head, or set model.n_embd to %d",
                nEmbd,
                nHead,
                roundUp(nEmbd, nHead));
        check(blockSize >= 1, "model.block_size is %d, but a sequence needs a token; set it to 1 or more", blockSize);
        double weights = (double) nEmbd * (12.0 * nLayer * nEmbd + blockSize);
        check(
                weights <= Integer.MAX_VALUE,
                "model.n_layer %d, n_embd %d and block_size %d make %,.0f weights even without a vocabulary, and a model"
                        + " has fewer than 2^31 (2,147,483,648); lower model.n_embd or model.n_layer",
                nLayer,
                nEmbd,
                blockSize,
                weights);
        check(dropout >= 0 && dropout < 1, "model.dropout is %s, but it is a probability; set it in [0, 1)", dropout);
    }

    public ModelSection withBlockSize(int tokens) {
        return new ModelSection(nLayer, nHead, nEmbd, tokens, dropout, bias, activation);
    }

    private static long roundUp(int value, int multiple) {
        return (value + (long) multiple - 1) / multiple * multiple;
    }
}
