package dev.kindling.device;

import dev.kindling.tensor.Tensor;

/**
 * y = gelu(x + bias) (Hendrycks and Gimpel, arXiv:1606.08415): {@code ERF} is x/2 (1 + erf(x / sqrt 2)), nanoGPT's;
 * {@code TANH} is GPT-2's approximation x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
 *
 * @param bias (C) or null
 */
public record Gelu(Form form, Tensor bias) {
    public enum Form {
        ERF,
        TANH
    }
}
