package dev.kindling.pretrained;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.checkpoint.LoadedTensors;
import dev.kindling.config.ConfigException;
import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.config.ModelSection;
import dev.kindling.config.ModelSection.Activation;
import dev.kindling.config.TrainConfig;
import dev.kindling.data.token.BpeTokenizer;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.data.token.Tokenizers;
import dev.kindling.interop.Gpt2Tensors;
import dev.kindling.interop.ModelFileException;
import dev.kindling.interop.TensorContent;
import dev.kindling.model.GptConfigs;
import dev.kindling.storage.Storage;
import dev.kindling.tensor.DType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.LongStream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PretrainedModelTest {
    private static final Configuration HADOOP = new Configuration();

    @TempDir
    private Path folder;

    private CheckpointStore store(String name) throws IOException {
        org.apache.hadoop.fs.Path path = hadoop(folder.resolve(name));
        return new CheckpointStore(Storage.of(path, HADOOP), path, 1);
    }

    private static org.apache.hadoop.fs.Path hadoop(Path path) {
        return new org.apache.hadoop.fs.Path(path.toUri());
    }

    @ParameterizedTest
    @CsvSource({
        "'', F32, 1",
        "transformer., F32, 1",
        "'', BF16, 1",
        "transformer., F16, 1",
        "'', F32, 2",
        "transformer., BF16, 3"
    })
    void everyLayoutGivesTheSameCheckpoint(String prefix, String dtype, int shards) throws IOException {
        TinyFolder tiny = TinyFolder.of(prefix, dtype, shards);
        PretrainedModel pretrained = PretrainedModel.open(hadoop(tiny.writeTo(folder.resolve("in"))), HADOOP);
        CheckpointStore store = store("out");
        LoadedTensors model = new LoadedTensors();
        CheckpointState state = store.loadModel(pretrained.save(pretrained.config(), store), model);

        assertThat(state.step()).isZero();
        TrainConfig config = TrainConfig.fromTree(state.config(), "state");
        assertThat(config.model()).isEqualTo(new ModelSection(2, 2, 8, 16, 0, true, Activation.GELU_TANH));
        assertThat(Tokenizers.fromJson(state.tokenizer(), "state")).isEqualTo(TinyFolder.CHARACTERS);
        assertThat(model.values.keySet())
                .containsExactlyInAnyOrderElementsOf(
                        Gpt2Tensors.all(GptConfigs.of(config.model(), TinyFolder.CHARACTERS.vocabSize()))
                                .keySet());
        model.values.forEach((name, tensor) -> assertThat(tensor).as(name).isEqualTo(tiny.values.get(name)));
        assertThat(store.latestValid().found()).isPresent();
    }

    @Test
    void positionsAreCroppedAndNotGrown() throws IOException {
        PretrainedModel pretrained = PretrainedModel.open(TinyFolder.of("", "F32", 1));
        TrainConfig shorter = pretrained.config().withModel(model -> model.withBlockSize(5));
        pretrained.requireFits(shorter);
        CheckpointStore store = store("out");
        LoadedTensors cropped = LoadedTensors.ofModel(store, pretrained.save(shorter, store));
        assertThat(cropped.shapes.get("wpe.weight")).containsExactly(5L, 8L);
        assertThat(cropped.values.get("wpe.weight"))
                .isEqualTo(Arrays.copyOf(TinyFolder.of("", "F32", 1).values.get("wpe.weight"), 40));
        assertThatThrownBy(
                        () -> pretrained.requireFits(pretrained.config().withModel(model -> model.withBlockSize(17))))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("model.block_size is 17", "16 positions");
        assertThatThrownBy(() -> pretrained.requireFits(TrainConfig.defaults()))
                .hasMessageContaining("model.n_layer is 6, but train.init_from folder/ has 2; set it to that");
        assertThatThrownBy(() -> pretrained.requireFits(
                        pretrained.config().withData(data -> data.withTokenizer(TokenizerKind.GPT2))))
                .hasMessageContaining("data.tokenizer is gpt2", "has char");
    }

    @Test
    void aModelWithoutBiasesRefusesThoseThatAreNotZero() throws IOException {
        TinyFolder tiny = TinyFolder.of("", "F32", 1);
        PretrainedModel pretrained = PretrainedModel.open(tiny);
        ModelSection asked = new ModelSection(2, 2, 8, 16, 0, false, Activation.GELU_TANH);
        CheckpointStore store = store("out");
        assertThatThrownBy(() -> pretrained.save(pretrained.config().withModel(model -> asked), store))
                .isInstanceOf(ModelFileException.class)
                .hasMessageContaining("model.bias is false, but tensor h.0.attn.c_attn.bias");
        assertThat(store.list()).isEmpty();
        tiny.values.forEach((name, values) -> {
            if (name.endsWith(".bias") && !name.endsWith(".attn.bias")) {
                Arrays.fill(values, 0);
            }
        });
        tiny.weights("", 1);
        assertThat(PretrainedModel.open(tiny).section().bias()).isFalse();
    }

    private record Made(TrainConfig config, Tokenizer tokenizer) {}

    private org.apache.hadoop.fs.Path checkpoint(Made made, CheckpointStore store) throws IOException {
        Random random = new Random(9);
        Map<String, TensorContent> tensors = new TreeMap<>();
        Gpt2Tensors.all(GptConfigs.of(made.config().model(), made.tokenizer().vocabSize()))
                .forEach((name, shape) -> {
                    long[] extents = shape.stream().mapToLong(Long::longValue).toArray();
                    float[] values = new float[(int) LongStream.of(extents).reduce(1, (a, b) -> a * b)];
                    for (int i = 0; i < values.length; i++) {
                        values[i] = (float) random.nextGaussian();
                    }
                    tensors.put(name, LoadedTensors.tensor(values, 0, extents));
                });
        CheckpointState state = PretrainedModelTest.state(made, 7);
        return store.commit(store.stage(new Checkpoint(state, tensors, Map.of())), 7);
    }

    private static CheckpointState state(Made made, long step) {
        return new CheckpointState(
                step,
                made.config().toTree(),
                made.tokenizer().toJson(),
                1,
                0,
                1,
                OptionalDouble.empty(),
                OptionalLong.empty());
    }

    @ParameterizedTest
    @CsvSource({"char, false, GELU, CHAR", "gpt2, true, GELU_TANH, GPT2"})
    void exportedAndImportedItIsTheSame(String name, boolean bias, Activation activation, TokenizerKind kind)
            throws IOException {
        Tokenizer tokenizer = kind == TokenizerKind.CHAR ? TinyFolder.CHARACTERS : new BpeTokenizer();
        ModelSection section = new ModelSection(2, 2, 8, 16, 0.25, bias, activation);
        TrainConfig config =
                TrainConfig.defaults().withModel(model -> section).withData(data -> data.withTokenizer(kind));
        org.apache.hadoop.fs.Path original = checkpoint(new Made(config, tokenizer), store(name));
        Path exported = folder.resolve("hf-" + name);

        assertThat(HuggingFaceExport.write(original, DType.F32, hadoop(exported), HADOOP)
                        .toString())
                .contains(bias ? "gelu_new" : "zeros are written");

        PretrainedModel back = PretrainedModel.open(hadoop(exported), HADOOP);
        assertThat(back.section()).isEqualTo(section);
        assertThat(back.tokenizer()).isEqualTo(tokenizer);
        CheckpointStore store = store("back-" + name);
        org.apache.hadoop.fs.Path imported = back.save(back.config(), store);
        assertThat(Files.readAllBytes(Path.of(imported.toUri()).resolve("model.safetensors")))
                .isEqualTo(Files.readAllBytes(Path.of(original.toUri()).resolve("model.safetensors")));

        JsonNode json =
                new JsonMapper().readTree(exported.resolve("config.json").toFile());
        assertThat(json.get("activation_function").asText())
                .isEqualTo(activation == Activation.GELU ? "gelu" : "gelu_new");
        assertThat(json.get("eos_token_id").isNull()).isEqualTo(kind == TokenizerKind.CHAR);
        assertThat(exported.toFile().list())
                .contains("generation_config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors");
    }

    @Test
    void bf16HalvesTheFileAndComesBackRounded() throws IOException {
        TinyFolder tiny = TinyFolder.of("", "F32", 1);
        PretrainedModel pretrained = PretrainedModel.open(tiny);
        org.apache.hadoop.fs.Path checkpoint = pretrained.save(pretrained.config(), store("a"));
        Path exported = folder.resolve("hf");
        HuggingFaceExport.write(checkpoint, DType.BF16, hadoop(exported), HADOOP);
        PretrainedModel back = PretrainedModel.open(hadoop(exported), HADOOP);
        CheckpointStore store = store("b");
        LoadedTensors imported = LoadedTensors.ofModel(store, back.save(back.config(), store));
        imported.values.forEach((name, tensor) ->
                assertThat(tensor).as(name).isEqualTo(tiny.values.get(name))); // seven bits are exact in bf16
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            "model_type":"gpt2"        | "model_type":"llama"       | model_type is llama; supported is GPT-2
            "GPT2LMHeadModel"          | "GPT2ForTokenClassification" | architectures names GPT2ForTokenClassification
            "layer_norm_epsilon":1.0E-5 | "layer_norm_epsilon":1.0E-6 | layer_norm_epsilon is 1.0E-6
            "n_layer":2                | "n_layer":3                | lack tensor h.2.attn.c_attn.weight
            "n_layer":2                | "n_layer":1                | has tensor h.1
            "n_layer":2                | "n_layer":2.5              | n_layer is 2.5, not a whole number
            "n_embd":8                 | "n_embd":12               | tensor wte.weight has shape [45, 8], but by config.json it is [45, 12]
            "n_head":2                 | "n_head":3                 | n_embd 8 is not divisible by n_head 3
            "n_positions":16           | "n_positions":17           | tensor wpe.weight has shape [16, 8]
            "vocab_size":45            | "vocab_size":44            | tensor wte.weight
            "gelu_new"                 | "relu"                     | activation_function is 'relu'
            "resid_pdrop":0.0          | "resid_pdrop":2            | resid_pdrop is 2
            "n_ctx":16                 | "scale_attn_by_inverse_layer_idx":true | scale_attn_by_inverse_layer_idx is true
            "n_ctx":16                 | "reorder_and_upcast_attn":true | reorder_and_upcast_attn is true
            "n_ctx":16                 | "add_cross_attention":true | add_cross_attention is true
            "n_ctx":16                 | "n_inner":16               | n_inner is 16
            "n_ctx":16                 | "quantization_config":{}   | quantization_config
            "n_ctx":16                 | "n_ctx":16,                | is not JSON
            """)
    void aConfigurationThatIsNoGpt2OrNotThatOfTheWeightsIsRefused(String from, String to, String why) {
        TinyFolder tiny = TinyFolder.of("transformer.", "F32", 1);
        String config = TinyFolder.config().toString();
        assertThat(config).contains(from);
        tiny.text("config.json", config.replace(from, to));
        refused(tiny, why);
    }

    private static void refused(TinyFolder tiny, String why) {
        assertThatThrownBy(() -> {
                    PretrainedModel opened = PretrainedModel.open(tiny);
                    for (var tensor : opened.model()
                            .weights(opened.model().config().model())
                            .values()) {
                        tensor.elements().writeTo(next -> {});
                    }
                })
                .isInstanceOf(ModelFileException.class)
                .hasMessageContaining(why)
                .message()
                .contains("folder/")
                .doesNotContain("\n");
    }

    @Test
    void weightsThatAreNotFiniteNotTiedOrMissingAreNamed() {
        TinyFolder infinite = TinyFolder.of("", "F32", 1);
        infinite.values.get("h.1.mlp.c_fc.weight")[17] = Float.NaN;
        infinite.weights("", 1);
        refused(infinite, "element 17 of tensor h.1.mlp.c_fc.weight is NaN");

        TinyFolder untied = TinyFolder.of("", "F32", 1);
        float[] head = untied.values.get("wte.weight").clone();
        head[3] += 1;
        untied.values.put("lm_head.weight", head);
        untied.weights("", 1);
        refused(untied, "the head lm_head.weight is not the token table");

        TinyFolder lost = TinyFolder.of("", "F32", 2);
        lost.files.remove("model-00002-of-00002.safetensors");
        refused(lost, "model-00002-of-00002.safetensors is missing");

        TinyFolder none = TinyFolder.of("", "F32", 1);
        none.files.remove("model.safetensors");
        refused(none, "save_pretrained");

        TinyFolder mute = TinyFolder.of("", "F32", 1);
        mute.files.remove("tokenizer.json");
        refused(mute, "has no tokenizer");

        TinyFolder other = TinyFolder.of("", "F32", 1);
        other.text(
                "tokenizer.json",
                new String(other.files.get("tokenizer.json"), StandardCharsets.UTF_8).replace(",\"z\":44", ""));
        refused(other, "the tokenizer has 44 ids, and config.json a vocab_size of 45");
    }
}
