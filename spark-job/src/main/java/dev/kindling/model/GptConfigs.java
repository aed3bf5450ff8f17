package dev.kindling.model;

import dev.kindling.config.ConfigException;
import dev.kindling.config.ModelSection;
import dev.kindling.config.ModelSection.Activation;
import dev.kindling.device.Gelu;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.Parameters;

/** From the {@code model} section of a configuration to the model's own {@link GptConfig}. */
public final class GptConfigs {
    private GptConfigs() {}

    /** The configuration; a {@link ConfigException} if the model has 2^31 weights or more, which one array cannot hold. */
    public static GptConfig of(ModelSection section, int vocabulary) {
        GptConfig config = new GptConfig(
                vocabulary,
                section.blockSize(),
                section.nLayer(),
                section.nHead(),
                section.nEmbd(),
                (float) section.dropout(),
                section.bias(),
                section.activation() == Activation.GELU_TANH ? Gelu.Form.TANH : Gelu.Form.ERF);
        long weights = Parameters.count(config);
        if (weights > Integer.MAX_VALUE) {
            throw new ConfigException(
                    "model.n_layer %d, n_embd %d and block_size %d with a vocabulary of %,d make %,d weights, and a model has fewer than 2^31 (2,147,483,648); lower model.n_embd or model.n_layer",
                    section.nLayer(), section.nEmbd(), section.blockSize(), vocabulary, weights);
        }
        return config;
    }
}
