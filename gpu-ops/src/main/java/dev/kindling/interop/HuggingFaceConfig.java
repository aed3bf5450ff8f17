package dev.kindling.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.device.Gelu;
import dev.kindling.device.ResidualLayerNorm;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.tensor.DType;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;

/**
 * {@code config.json} of a GPT-2 folder, as transformers' {@code GPT2Config}.
 *
 * @param model the shape; its {@code bias} is true, as transformers' GPT-2 always has biases
 * @param tied whether the output head is the token table
 * @param notes what the folder says and Kindling does otherwise, for people
 */
public record HuggingFaceConfig(GptConfig model, boolean tied, List<String> notes) {
    static final String FILE = "config.json";

    private static final String SUPPORTED =
            "supported is GPT-2 (model_type gpt2, GPT2LMHeadModel) as OpenAI and nanoGPT build it";
    private static final Map<String, Gelu.Form> ACTIVATIONS =
            Map.of("gelu_new", Gelu.Form.TANH, "gelu_pytorch_tanh", Gelu.Form.TANH, "gelu", Gelu.Form.ERF);
    private static final Set<String> ARCHITECTURES = Set.of("GPT2LMHeadModel", "GPT2Model");
    /** More than any of the numbers is; products of two are no overflow of a long. */
    private static final int MOST = 1 << 24;

    /** Reads the file's content; {@code path} names it in errors. */
    static HuggingFaceConfig parse(ObjectNode json, String path) throws ModelFileException {
        Reader reader = new Reader(json, path);
        reader.requireGpt2();
        int width = reader.number("n_embd");
        int heads = reader.number("n_head");
        reader.refuse(
                width % heads != 0,
                String.format(Locale.ROOT, "n_embd %d is not divisible by n_head %d", width, heads));
        JsonNode inner = json.path("n_inner");
        reader.refuse(
                !inner.isMissingNode() && !inner.isNull() && inner.asLong() != 4L * width,
                String.format(Locale.ROOT, "n_inner is %s, not 4 x n_embd", inner));
        String activation = json.path("activation_function").asText("gelu_new");
        reader.refuse(
                !ACTIVATIONS.containsKey(activation),
                String.format(
                        Locale.ROOT,
                        "activation_function is '%s', not gelu_new, gelu_pytorch_tanh or gelu",
                        activation));
        double dropout = reader.probability("resid_pdrop");
        boolean one = dropout == reader.probability("embd_pdrop") && dropout == reader.probability("attn_pdrop");
        GptConfig model = new GptConfig(
                reader.number("vocab_size"),
                reader.number(json.has("n_positions") ? "n_positions" : "n_ctx"),
                reader.number("n_layer"),
                heads,
                width,
                (float) dropout,
                true,
                ACTIVATIONS.get(activation));
        return new HuggingFaceConfig(
                model,
                json.path("tie_word_embeddings").asBoolean(true),
                one
                        ? List.of()
                        : List.of("resid_pdrop, embd_pdrop and attn_pdrop differ, and Kindling has one dropout: it is"
                                + " resid_pdrop "
                                + dropout));
    }

    private record Reader(ObjectNode json, String path) {
        private void refuse(boolean refused, String what) throws ModelFileException {
            if (refused) {
                throw new ModelFileException(String.format(Locale.ROOT, "%s: %s; %s", path, what, SUPPORTED));
            }
        }

        private void requireGpt2() throws ModelFileException {
            String type = json.path("model_type").asText("missing");
            refuse(!type.equals("gpt2"), "model_type is " + type);
            for (JsonNode architecture : json.path("architectures")) {
                refuse(!ARCHITECTURES.contains(architecture.asText()), "architectures names " + architecture.asText());
            }
            for (String key :
                    List.of("scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn", "add_cross_attention")) {
                refuse(json.path(key).asBoolean(false), key + " is true");
            }
            refuse(!json.path("scale_attn_weights").asBoolean(true), "scale_attn_weights is false");
            refuse(json.path("quantization_config").isObject(), "quantization_config says that weights are quantized");
            double epsilon = json.path("layer_norm_epsilon").asDouble(1e-5);
            refuse(
                    (float) epsilon != ResidualLayerNorm.EPSILON,
                    String.format(Locale.ROOT, "layer_norm_epsilon is %s, and layer norms here have 1e-5", epsilon));
        }

        private int number(String key) throws ModelFileException {
            JsonNode value = json.path(key);
            if (!value.isIntegralNumber()
                    || !value.canConvertToInt()
                    || value.intValue() < 1
                    || value.intValue() > MOST) {
                throw new ModelFileException(String.format(
                        Locale.ROOT,
                        "%s: %s is %s, not a whole number from 1 to %d; restore it",
                        path,
                        key,
                        value.isMissingNode() ? "missing" : value,
                        MOST));
            }
            return value.intValue();
        }

        private double probability(String key) throws ModelFileException {
            JsonNode value = json.path(key);
            double probability = value.asDouble(value.isMissingNode() ? 0.1 : Double.NaN);
            if (!(probability >= 0 && (float) probability < 1)) {
                throw new ModelFileException(String.format(
                        Locale.ROOT, "%s: %s is %s, not a probability in [0, 1); correct it", path, key, value));
            }
            return probability;
        }
    }

    /** The content of {@code config.json} for a model. */
    public static ObjectNode toJson(GptConfig model, OptionalInt endOfText, DType type) {
        ObjectNode json = ModelFolder.JSON.createObjectNode();
        json.putArray("architectures").add("GPT2LMHeadModel");
        json.put("model_type", "gpt2")
                .put("activation_function", model.activation() == Gelu.Form.TANH ? "gelu_new" : "gelu")
                .put("n_layer", model.layers())
                .put("n_head", model.heads())
                .put("n_embd", model.width())
                .put("n_positions", model.blockSize())
                .put("n_ctx", model.blockSize())
                .putNull("n_inner")
                .put("vocab_size", model.vocabulary())
                .put("layer_norm_epsilon", 1e-5);
        double dropout = Double.parseDouble(Float.toString(model.dropout()));
        json.put("resid_pdrop", dropout).put("embd_pdrop", dropout).put("attn_pdrop", dropout);
        json.put("scale_attn_weights", true)
                .put("scale_attn_by_inverse_layer_idx", false)
                .put("reorder_and_upcast_attn", false)
                .put("add_cross_attention", false)
                .put("tie_word_embeddings", true)
                .put("use_cache", true)
                .put("initializer_range", 0.02)
                .put("torch_dtype", type == DType.BF16 ? "bfloat16" : "float32");
        putEnds(json, endOfText);
        return json;
    }

    /** The content of {@code generation_config.json}. */
    public static ObjectNode generationJson(OptionalInt endOfText) {
        ObjectNode json = ModelFolder.JSON.createObjectNode();
        putEnds(json, endOfText);
        return json;
    }

    /** GPT-2's own default, 50256, would be no id of a smaller vocabulary, so that null is said. */
    private static void putEnds(ObjectNode json, OptionalInt endOfText) {
        for (String key : List.of("bos_token_id", "eos_token_id")) {
            if (endOfText.isPresent()) {
                json.put(key, endOfText.getAsInt());
            } else {
                json.putNull(key);
            }
        }
    }
}
