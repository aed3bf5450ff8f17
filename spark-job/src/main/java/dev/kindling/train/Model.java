package dev.kindling.train;

import dev.kindling.attention.Sdpa;
import dev.kindling.device.Device;
import dev.kindling.device.Gelu;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.GptConfig;
import dev.kindling.nn.GptDecoder;
import dev.kindling.nn.Parameters;
import dev.kindling.tensor.Arena;
import dev.kindling.train.ModelSection.Activation;

/** What the configuration's {@code model} section means for a vocabulary. */
public final class Model {
    private Model() {}

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

    /** A decoder for one sequence over weights on their device. */
    public static GptDecoder decoder(Parameters parameters, Sdpa sdpa, Device device, Arena arena) {
        return new GptDecoder(parameters, 1, sdpa, new Gpt.DeviceMemory(device, arena));
    }
}
