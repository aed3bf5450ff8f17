package dev.kindling.interop;

import dev.kindling.device.ResidualLayerNorm;
import dev.kindling.nn.parameter.GptConfig;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A model as llama.cpp's architecture {@code gpt2} reads it: linear weights (out, in), and a bias for each of
 * them. The head is written beside the token table that it is tied to, as llama.cpp asked for it until 2025. Vectors and
 * positions are F32, as its own converter has them.
 */
public final class GgufModel {
    private static final Map<String, String> BLOCK = Map.of(
            "ln_1", "attn_norm",
            "attn.c_attn", "attn_qkv",
            "attn.c_proj", "attn_output",
            "ln_2", "ffn_norm",
            "mlp.c_fc", "ffn_up",
            "mlp.c_proj", "ffn_down");
    /** {@code general.file_type} of llama.cpp. */
    private static final Map<WeightType, Integer> FILE_TYPES =
            Map.of(WeightType.F32, 0, WeightType.F16, 1, WeightType.Q8_0, 7);

    private GgufModel() {}

    /**
     * The file.
     *
     * @param weights by Kindling's names; biases that are not there are zeros in the file
     * @param tokenizer the keys {@code tokenizer.ggml.*}
     * @param type of the matrices: F32, F16 or Q8_0
     * @throws ModelFileException if the model's width does not divide into blocks of {@code type}
     */
    public static GgufFile toFile(
            Map<String, TensorContent> weights, GptConfig model, Map<String, Object> tokenizer, WeightType type)
            throws ModelFileException {
        if (type == WeightType.Q8_0 && model.width() % GgufFile.BLOCK != 0) {
            throw new ModelFileException(String.format(
                    Locale.ROOT,
                    "Q8_0 has blocks of %d weights, and rows of n_embd %d do not divide into them; choose F16",
                    GgufFile.BLOCK,
                    model.width()));
        }
        List<GgufFile.Tensor> tensors = new ArrayList<>();
        Gpt2Tensors.all(model.withBias()).forEach((name, shape) -> {
            TensorContent content = weights.containsKey(name) ? weights.get(name) : TensorContent.zeros(shape);
            boolean matrix = shape.size() == 2 && !name.equals(Gpt2Tensors.POSITIONS);
            tensors.add(new GgufFile.Tensor(
                    name(name),
                    Gpt2Tensors.isLinear(name, shape) ? content.transposed() : content,
                    matrix ? type : WeightType.F32));
        });
        tensors.add(new GgufFile.Tensor("output.weight", weights.get(Gpt2Tensors.TOKENS), type));
        Map<String, Object> metadata = new LinkedHashMap<>(metadata(model, type));
        metadata.putAll(tokenizer);
        return new GgufFile(metadata, tensors);
    }

    private static Map<String, Object> metadata(GptConfig model, WeightType type) {
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("general.architecture", "gpt2");
        keys.put("general.name", "kindling");
        keys.put("general.file_type", FILE_TYPES.get(type));
        keys.put("general.quantization_version", 2);
        keys.put("gpt2.context_length", model.blockSize());
        keys.put("gpt2.embedding_length", model.width());
        keys.put("gpt2.block_count", model.layers());
        keys.put("gpt2.feed_forward_length", 4 * model.width());
        keys.put("gpt2.attention.head_count", model.heads());
        keys.put("gpt2.attention.layer_norm_epsilon", ResidualLayerNorm.EPSILON);
        return keys;
    }

    private static String name(String name) {
        if (name.equals(Gpt2Tensors.TOKENS)) {
            return "token_embd.weight";
        }
        if (name.equals(Gpt2Tensors.POSITIONS)) {
            return "position_embd.weight";
        }
        int kind = name.lastIndexOf('.');
        if (!name.startsWith("h.")) {
            return "output_norm" + name.substring(kind);
        }
        int layer = name.indexOf('.', 2);
        return "blk" + name.substring(1, layer + 1) + BLOCK.get(name.substring(layer + 1, kind)) + name.substring(kind);
    }
}
