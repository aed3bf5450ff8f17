package dev.kindling.config;

import static dev.kindling.config.ConfigException.check;

import java.io.Serializable;

/** {@code model}: the shape of the GPT. {@code dropout} is a probability in [0, 1). */
public record ModelSection(
        int nLayer, int nHead, int nEmbd, int blockSize, double dropout, boolean bias, Activation activation)
        implements Serializable {

    /** The MLP's non-linearity: GELU by the error function, or its tanh approximation (GPT-2). */
    public enum Activation {
        GELU,
        GELU_TANH
    }

    static final ModelSection DEFAULT = new ModelSection(6, 6, 384, 256, 0.2, false, Activation.GELU);

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
        check(dropout >= 0 && dropout < 1, "model.dropout is %s, but it is a probability; set it in [0, 1)", dropout);
    }

    private static long roundUp(int value, int multiple) {
        return (value + (long) multiple - 1) / multiple * multiple;
    }
}
