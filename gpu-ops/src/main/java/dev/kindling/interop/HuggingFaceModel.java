package dev.kindling.interop;

import dev.kindling.interop.TensorFile.Located;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.tensor.DType;
import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * A GPT-2 in a folder as transformers writes it: {@code config.json}, and {@code model.safetensors} or its shards with
 * {@code model.safetensors.index.json}. Weights may be F32, BF16 or F16, and their names may begin with {@code
 * transformer.}; buffers of masks and a tied {@code lm_head.weight} are passed over. Opening reads headers only; weights
 * are read as they are written elsewhere, one piece at a time.
 */
public final class HuggingFaceModel {
    private static final String PREFIX = "transformer.";
    private static final String HEAD = "lm_head.weight";
    /** Buffers of older transformers: the causal mask, and what a masked score becomes. */
    private static final Pattern MASK = Pattern.compile("h\\.\\d+\\.attn\\.(bias|masked_bias)");

    private final ModelFolder folder;
    private final HuggingFaceConfig config;
    private final SortedMap<String, Located> weights;

    private HuggingFaceModel(ModelFolder folder, HuggingFaceConfig config, SortedMap<String, Located> weights) {
        this.folder = folder;
        this.config = config;
        this.weights = weights;
    }

    /** Whether a folder is one of transformers', by its {@code config.json}. */
    public static boolean isIn(ModelFolder folder) throws IOException {
        return folder.has(HuggingFaceConfig.FILE);
    }

    /**
     * Opens a folder.
     *
     * @throws ModelFileException if it is no GPT-2, or its weights are not those that its configuration describes
     */
    public static HuggingFaceModel open(ModelFolder folder) throws IOException {
        HuggingFaceConfig config =
                HuggingFaceConfig.parse(folder.readJson(HuggingFaceConfig.FILE), folder.path(HuggingFaceConfig.FILE));
        SortedMap<String, Located> weights = new TreeMap<>();
        Located head = null;
        for (Map.Entry<String, Located> tensor :
                HuggingFaceFiles.tensors(folder).entrySet()) {
            String name =
                    tensor.getKey().startsWith(PREFIX) ? tensor.getKey().substring(PREFIX.length()) : tensor.getKey();
            if (name.equals(HEAD)) {
                head = tensor.getValue();
            } else if (!MASK.matcher(name).matches() && weights.put(name, tensor.getValue()) != null) {
                throw new ModelFileException(String.format(
                        Locale.ROOT,
                        "%s has tensor %s twice, with and without '%s'; write it again",
                        tensor.getValue().path(),
                        name,
                        PREFIX));
            }
        }
        HuggingFaceModel model = new HuggingFaceModel(folder, config, weights);
        model.requireWeights();
        model.requireTied(head);
        return model;
    }

    private void requireWeights() throws ModelFileException {
        Set<String> known = new HashSet<>();
        require(Gpt2Tensors.others(config.model()), known);
        for (int layer = 0; layer < config.model().layers(); layer++) {
            require(Gpt2Tensors.block(config.model(), layer), known);
        }
        for (Map.Entry<String, Located> tensor : weights.entrySet()) {
            if (!known.contains(tensor.getKey())) {
                throw new ModelFileException(String.format(
                        Locale.ROOT,
                        "%s has tensor %s, which a GPT-2 of %d layers has not; correct config.json, or remove the tensor",
                        tensor.getValue().path(),
                        tensor.getKey(),
                        config.model().layers()));
            }
        }
    }

    private void require(Map<String, List<Long>> shapes, Set<String> known) throws ModelFileException {
        for (Map.Entry<String, List<Long>> expected : shapes.entrySet()) {
            Located tensor = weights.get(expected.getKey());
            if (tensor == null) {
                throw new ModelFileException(String.format(
                        Locale.ROOT,
                        "the weights in %s lack tensor %s, which config.json asks for; restore it, or correct config.json",
                        folder.path(""),
                        expected.getKey()));
            }
            if (!tensor.entry().shape().equals(expected.getValue())) {
                throw new ModelFileException(String.format(
                        Locale.ROOT,
                        "%s: tensor %s has shape %s, but by config.json it is %s; correct config.json, or write the weights again",
                        tensor.path(),
                        expected.getKey(),
                        tensor.entry().shape(),
                        expected.getValue()));
            }
            tensor.requireReadable();
            known.add(expected.getKey());
        }
    }

    private void requireTied(Located head) throws IOException {
        boolean tied = head == null ? config.tied() : head.sameBytes(weights.get(Gpt2Tensors.TOKENS));
        if (!tied) {
            throw new ModelFileException(String.format(
                    Locale.ROOT,
                    "%s: the head %s is not the token table %s, and Kindling's GPT-2 has them tied; tie them (tie_word_embeddings) and train it so",
                    head == null ? folder.path(HuggingFaceConfig.FILE) : head.path(),
                    HEAD,
                    Gpt2Tensors.TOKENS));
        }
    }

    public HuggingFaceConfig config() {
        return config;
    }

    /** Whether any bias is not zero. */
    public boolean hasBiases() throws IOException {
        for (Map.Entry<String, Located> tensor : weights.entrySet()) {
            if (Gpt2Tensors.isBias(tensor.getKey()) && !isZero(tensor.getValue())) {
                return true;
            }
        }
        return false;
    }

    private static boolean isZero(Located tensor) throws IOException {
        boolean[] zero = {true};
        tensor.content().elements().writeTo(next -> {
            while (next.hasRemaining()) {
                zero[0] &= next.get() == 0;
            }
        });
        return zero[0];
    }

    /**
     * The weights under Kindling's names, for a model of the same shape.
     *
     * @param wanted its {@code blockSize} may be less, then the first positions are kept; its {@code bias} may be false
     *     where all biases are zero
     * @throws ModelFileException if {@code wanted} has more positions, or no biases where some are not zero
     */
    public SortedMap<String, TensorContent> weights(GptConfig wanted) throws IOException {
        int positions = config.model().blockSize();
        if (wanted.blockSize() > positions) {
            throw new ModelFileException(String.format(
                    Locale.ROOT,
                    "model.block_size is %d, but %s has %d positions, and others were never trained; set it to %d or less",
                    wanted.blockSize(),
                    folder.path(""),
                    positions,
                    positions));
        }
        SortedMap<String, TensorContent> contents = new TreeMap<>();
        for (Map.Entry<String, Located> tensor : weights.entrySet()) {
            String name = tensor.getKey();
            TensorContent content = tensor.getValue().content();
            if (!wanted.bias() && Gpt2Tensors.isBias(name)) {
                if (!isZero(tensor.getValue())) {
                    throw new ModelFileException(String.format(
                            Locale.ROOT,
                            "model.bias is false, but tensor %s of %s is not zero; set model.bias to true",
                            name,
                            tensor.getValue().path()));
                }
                continue;
            }
            contents.put(name, name.equals(Gpt2Tensors.POSITIONS) ? content.firstRows(wanted.blockSize()) : content);
        }
        return contents;
    }

    /**
     * The weights of a Kindling checkpoint, by their names.
     *
     * @param folder that holds its {@code model.safetensors}
     * @throws ModelFileException if they are not those of {@code config}
     */
    public static SortedMap<String, TensorContent> ofCheckpoint(ModelFolder folder, GptConfig config)
            throws IOException {
        SortedMap<String, TensorContent> contents = new TreeMap<>();
        Map<String, Located> tensors =
                TensorFile.open(folder, HuggingFaceFiles.WEIGHTS).tensors();
        for (Map.Entry<String, List<Long>> expected : Gpt2Tensors.all(config).entrySet()) {
            Located tensor = tensors.get(expected.getKey());
            if (tensor == null || !tensor.entry().shape().equals(expected.getValue())) {
                throw new ModelFileException(String.format(
                        Locale.ROOT,
                        "%s: tensor %s is %s, and by state.json it is %s; use another checkpoint",
                        folder.path(HuggingFaceFiles.WEIGHTS),
                        expected.getKey(),
                        tensor == null ? "missing" : tensor.entry().shape(),
                        expected.getValue()));
            }
            contents.put(expected.getKey(), tensor.content());
        }
        return contents;
    }

    /** The same weights, of the first positions alone. */
    public static SortedMap<String, TensorContent> cropped(SortedMap<String, TensorContent> weights, int positions) {
        SortedMap<String, TensorContent> cropped = new TreeMap<>(weights);
        cropped.computeIfPresent(Gpt2Tensors.POSITIONS, (name, content) -> content.firstRows(positions));
        return cropped;
    }

    /**
     * {@code model.safetensors} as {@code GPT2LMHeadModel} reads it: biases are zeros where the model has none, and the
     * tied head is not written twice.
     *
     * @param weights by Kindling's names
     */
    public static SafeTensorsFile toFile(Map<String, TensorContent> weights, GptConfig config, DType type) {
        Map<String, TensorContent> tensors = new TreeMap<>();
        Gpt2Tensors.all(config.withBias()).forEach((name, shape) -> {
            TensorContent content = weights.get(name);
            tensors.put(PREFIX + name, content == null ? TensorContent.zeros(shape) : content);
        });
        return new SafeTensorsFile(tensors, Map.of("format", "pt"), type);
    }
}
