package dev.kindling.interop;

import dev.kindling.nn.parameter.GptConfig;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** GPT-2's weights by their names in Hugging Face's files without {@code transformer.}; those of products are (in, out). */
public final class Gpt2Tensors {
    static final String TOKENS = "wte.weight";
    static final String POSITIONS = "wpe.weight";

    private Gpt2Tensors() {}

    /** The shapes of one block's weights, by names with {@code h.LAYER.} before them. */
    static Map<String, List<Long>> block(GptConfig config, int layer) {
        long c = config.width();
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        linear(shapes, "h." + layer + ".attn.c_attn", c, 3 * c);
        linear(shapes, "h." + layer + ".attn.c_proj", c, c);
        linear(shapes, "h." + layer + ".mlp.c_fc", c, 4 * c);
        linear(shapes, "h." + layer + ".mlp.c_proj", 4 * c, c);
        norm(shapes, "h." + layer + ".ln_1", c);
        norm(shapes, "h." + layer + ".ln_2", c);
        return shapes;
    }

    /** The shapes of the weights outside of blocks. */
    static Map<String, List<Long>> others(GptConfig config) {
        long c = config.width();
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        shapes.put(TOKENS, List.of((long) config.vocabulary(), c));
        shapes.put(POSITIONS, List.of((long) config.blockSize(), c));
        norm(shapes, "ln_f", c);
        return shapes;
    }

    /** The shapes of all weights; without biases if the model has none. */
    public static Map<String, List<Long>> all(GptConfig config) {
        Map<String, List<Long>> shapes = others(config);
        for (int layer = 0; layer < config.layers(); layer++) {
            shapes.putAll(block(config, layer));
        }
        if (!config.bias()) {
            shapes.keySet().removeIf(Gpt2Tensors::isBias);
        }
        return shapes;
    }

    /** Whether a tensor is the weight of a linear layer: (in, out) here, and (out, in) in nanoGPT and in GGUF. */
    static boolean isLinear(String name, List<Long> shape) {
        return name.startsWith("h.") && shape.size() == 2;
    }

    static boolean isBias(String name) {
        return name.endsWith(".bias");
    }

    private static void linear(Map<String, List<Long>> shapes, String name, long in, long out) {
        shapes.put(name + ".weight", List.of(in, out));
        shapes.put(name + ".bias", List.of(out));
    }

    private static void norm(Map<String, List<Long>> shapes, String name, long width) {
        shapes.put(name + ".weight", List.of(width));
        shapes.put(name + ".bias", List.of(width));
    }
}
