package dev.kindling.interop;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.tensor.DType;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A model as nanoGPT's {@code GPT} takes it: the state dict by its names, with the weights of linear layers (out, in) and
 * the head beside the token table that it is tied to; and the arguments of {@code GPTConfig}.
 */
public final class NanoGptModel {
    private NanoGptModel() {}

    /**
     * The state dict, for {@code load_state_dict}.
     *
     * @param weights by Kindling's names
     * @param type F32 or BF16
     */
    public static SafeTensorsFile toFile(Map<String, TensorContent> weights, DType type) {
        SortedMap<String, TensorContent> tensors = new TreeMap<>();
        weights.forEach((name, content) -> tensors.put(
                "transformer." + name, Gpt2Tensors.isLinear(name, content.shape()) ? content.transposed() : content));
        tensors.put("lm_head.weight", weights.get(Gpt2Tensors.TOKENS));
        return new SafeTensorsFile(tensors, new TreeMap<>(Map.of("format", "pt")), type);
    }

    /** The arguments of {@code GPTConfig}. */
    public static ObjectNode arguments(GptConfig model) {
        return ModelFolder.JSON
                .createObjectNode()
                .put("n_layer", model.layers())
                .put("n_head", model.heads())
                .put("n_embd", model.width())
                .put("block_size", model.blockSize())
                .put("bias", model.bias())
                .put("vocab_size", model.vocabulary())
                .put("dropout", Double.parseDouble(Float.toString(model.dropout())));
    }
}
