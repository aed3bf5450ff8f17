package dev.kindling.model;

import dev.kindling.config.ModelSection;
import dev.kindling.config.ModelSection.Activation;
import dev.kindling.device.Gelu;
import dev.kindling.nn.GptConfig;

/** From the {@code model} section of a configuration to the model's own {@link GptConfig}. */
public final class GptConfigs {
    private GptConfigs() {}

    public static GptConfig of(ModelSection section, int vocabulary) {
        return new GptConfig(
                vocabulary,
                section.blockSize(),
                section.nLayer(),
                section.nHead(),
                section.nEmbd(),
                (float) section.dropout(),
                section.bias(),
                section.activation() == Activation.GELU_TANH ? Gelu.Form.TANH : Gelu.Form.ERF);
    }
}
