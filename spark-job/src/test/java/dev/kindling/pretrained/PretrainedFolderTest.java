package dev.kindling.pretrained;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.checkpoint.LoadedTensors;
import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.config.ModelSection;
import dev.kindling.config.ModelSection.Activation;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.data.token.Tokenizers;
import dev.kindling.interop.ModelFileException;
import dev.kindling.storage.Storage;
import dev.kindling.tensor.DType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Folders with other files than those of a new transformers, and folders whose weights are not the model's. */
class PretrainedFolderTest {
    private static final Configuration HADOOP = new Configuration();
    private static final JsonMapper JSON = new JsonMapper();
    private static final String WEIGHTS = "model.safetensors";

    @TempDir
    private Path folder;

    private org.apache.hadoop.fs.Path path(String name) {
        return new org.apache.hadoop.fs.Path(folder.resolve(name).toUri());
    }

    @Test
    void aConfigurationMayHaveOldGpt2sContextAlone() throws IOException {
        TinyFolder tiny = TinyFolder.of("transformer.", "F32", 2);
        ObjectNode config = TinyFolder.config();
        config.remove("n_positions");
        tiny.text("config.json", config.toString());
        assertThat(PretrainedModel.open(tiny).section())
                .isEqualTo(PretrainedModel.open(TinyFolder.of("", "F32", 1)).section());
        config.remove("n_ctx");
        tiny.text("config.json", config.toString());
        assertThatThrownBy(() -> PretrainedModel.open(tiny))
                .isInstanceOf(ModelFileException.class)
                .hasMessageContaining("n_ctx is missing, not a whole number");
    }

    @Test
    void aVocabularyWithMergesStaysTheModelsOwn() throws IOException {
        TinyFolder tiny = TinyFolder.of("", "F32", 1).withMerges();
        PretrainedModel pretrained = PretrainedModel.open(tiny);
        Tokenizer tokenizer = pretrained.tokenizer();
        assertThat(pretrained.tokenizerKind()).isEqualTo(TokenizerKind.BPE);
        assertThat(tokenizer.encode("the hat\n")).hasSize(6);
        assertThat(tokenizer.decode(tokenizer.encode("the hat\n"))).isEqualTo("the hat\n");
        assertThat(tokenizer.endOfText()).hasValue(44);

        CheckpointStore store = new CheckpointStore(Storage.of(path("run"), HADOOP), path("run"), 1);
        org.apache.hadoop.fs.Path checkpoint = pretrained.save(pretrained.config(), store);
        assertThat(Tokenizers.fromJson(store.loadState(checkpoint).tokenizer(), "state"))
                .isEqualTo(tokenizer);
        HuggingFaceExport.write(checkpoint, DType.F32, path("hf"), HADOOP);
        PretrainedModel back = PretrainedModel.open(path("hf"), HADOOP);
        assertThat(back.tokenizer()).isEqualTo(tokenizer);
        JsonNode config = JSON.readTree(folder.resolve("hf/config.json").toFile());
        assertThat(config.path("eos_token_id").asInt()).isEqualTo(44);

        tiny.files.remove("merges.txt");
        assertThatThrownBy(() -> PretrainedModel.open(tiny))
                .hasMessageContaining("has no tokenizer: neither tokenizer.json nor vocab.json and merges.txt");
    }

    @Test
    void nanoGptsFolderHoldsItsStateDictAndArguments() throws IOException {
        ModelSection section = new ModelSection(2, 2, 8, 16, 0.25, false, Activation.GELU_TANH);
        Map<String, float[]> weights = RandomCheckpoint.weights(section, TinyFolder.CHARACTERS.vocabSize(), 1);
        org.apache.hadoop.fs.Path checkpoint =
                RandomCheckpoint.write(folder.resolve("run"), section, TinyFolder.CHARACTERS, weights);
        assertThat(NanoGptExport.write(checkpoint, DType.F32, path("nanogpt"), HADOOP))
                .singleElement()
                .asString()
                .startsWith("activation gelu_tanh: nanoGPT's GELU is by the error function");
        assertThat(JSON.readTree(folder.resolve("nanogpt/model_args.json").toFile()))
                .isEqualTo(JSON.readTree("{\"n_layer\":2,\"n_head\":2,\"n_embd\":8,\"block_size\":16,\"bias\":false,"
                        + "\"vocab_size\":45,\"dropout\":0.25}"));
        Path file = folder.resolve("nanogpt/model.safetensors");
        LoadedTensors state = LoadedTensors.ofFile(Files.readAllBytes(file), "nanogpt");
        assertThat(state.values).hasSize(weights.size() + 1);
        float[] own = weights.get("h.1.mlp.c_proj.weight"); // (32, 8)
        float[] theirs = state.values.get("transformer.h.1.mlp.c_proj.weight");
        assertThat(state.shapes.get("transformer.h.1.mlp.c_proj.weight")).containsExactly(8L, 32L);
        for (int in = 0; in < 32; in++) {
            for (int out = 0; out < 8; out++) {
                assertThat(theirs[out * 32 + in]).isEqualTo(own[in * 8 + out]);
            }
        }
        assertThat(state.values.get("lm_head.weight")).isEqualTo(weights.get("wte.weight"));
    }

    /** Changes the header of the file, the length before it too, and leaves the data as they are. */
    private static void changeHeader(TinyFolder tiny, Consumer<ObjectNode> change) throws IOException {
        byte[] file = tiny.files.get(WEIGHTS);
        ByteBuffer whole = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        int length = (int) whole.getLong();
        ObjectNode header = (ObjectNode) JSON.readTree(Arrays.copyOfRange(file, 8, 8 + length));
        change.accept(header);
        byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
        tiny.files.put(
                WEIGHTS,
                ByteBuffer.allocate(json.length + file.length - length)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(json.length)
                        .put(json)
                        .put(file, 8 + length, file.length - 8 - length)
                        .array());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            missing     | lack tensor ln_f.bias, which config.json asks for
            extra       | has tensor h.0.rotary, which a GPT-2 of 2 layers has not
            shape       | tensor h.0.mlp.c_fc.weight has shape [32, 8], but by config.json it is [8, 32]
            overlapping | begins at byte
            type        | tensor ln_f.bias is I32, and F32, BF16 and F16 can be read
            unknown     | tensor ln_f.bias has the unknown dtype F4
            twice       | has tensor wpe.weight twice, with and without 'transformer.'
            """)
    void weightsThatAreNotTheModelsAreRefused(String kind, String why) throws IOException {
        TinyFolder tiny = TinyFolder.of("", "F32", 1);
        changeHeader(tiny, header -> {
            ObjectNode bias = (ObjectNode) header.path("ln_f.bias");
            switch (kind) {
                case "missing" -> header.set("h.9.attn.bias", header.remove("ln_f.bias"));
                case "extra" -> header.set("h.0.rotary", header.remove("h.0.attn.bias"));
                case "shape" ->
                    ((ObjectNode) header.path("h.0.mlp.c_fc.weight"))
                            .putArray("shape")
                            .add(32)
                            .add(8);
                case "overlapping" -> {
                    long begin = bias.path("data_offsets").path(0).asLong() - 4;
                    bias.putArray("data_offsets").add(begin).add(begin + 32);
                }
                case "type" -> bias.put("dtype", "I32");
                case "unknown" -> bias.put("dtype", "F4");
                default -> header.set("transformer.wpe.weight", header.remove("h.0.attn.bias"));
            }
        });
        assertThatThrownBy(() -> PretrainedModel.open(tiny))
                .isInstanceOf(ModelFileException.class)
                .hasMessageContaining(why)
                .message()
                .contains("folder/")
                .hasLineCount(1);
    }
}
