package dev.kindling.interop;

import com.fasterxml.jackson.databind.JsonNode;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.data.token.Tokenizers;
import dev.kindling.device.Gelu;
import dev.kindling.nn.parameter.GptConfig;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.SortedMap;
import java.util.zip.CRC32C;
import java.util.zip.CheckedInputStream;

/**
 * A model in a folder: a checkpoint of Kindling's, or a GPT-2 of Hugging Face's transformers.
 *
 * @param weights by Kindling's names, read when they are asked for
 */
public record SavedModel(GptConfig config, Tokenizer tokenizer, SortedMap<String, TensorContent> weights) {
    /**
     * Opens a folder; of a checkpoint, every byte of state and weights is verified.
     *
     * @throws ModelFileException if it holds neither, or what it holds is damaged or unknown
     * @throws dev.kindling.data.DataException if its tokenizer is none that is supported
     */
    public static SavedModel open(ModelFolder folder) throws IOException {
        if (folder.has(CheckpointFormat.STATE)) {
            return checkpoint(folder);
        }
        if (!HuggingFaceModel.isIn(folder)) {
            throw new ModelFileException(String.format(
                    Locale.ROOT,
                    "%s holds no model: neither %s of a checkpoint nor %s of a Hugging Face folder; give a run, a checkpoint or such a folder",
                    folder.path(""),
                    CheckpointFormat.STATE,
                    HuggingFaceConfig.FILE));
        }
        HuggingFaceModel model = HuggingFaceModel.open(folder);
        GptConfig config = model.config().model();
        return new SavedModel(config, HuggingFaceVocabulary.read(folder, config.vocabulary()), model.weights(config));
    }

    private static SavedModel checkpoint(ModelFolder folder) throws IOException {
        String path = folder.path(CheckpointFormat.STATE);
        JsonNode state =
                CheckpointFormat.read(new String(folder.readAll(CheckpointFormat.STATE), StandardCharsets.UTF_8), path);
        Tokenizer tokenizer = Tokenizers.fromJson(state.path("tokenizer"), path);
        GptConfig config = config(state.path("config").path("model"), tokenizer.vocabSize());
        requireWritten(folder, state.path("files").path(CheckpointFormat.MODEL));
        return new SavedModel(config, tokenizer, HuggingFaceModel.ofCheckpoint(folder, config));
    }

    /** The {@code model} section of a configuration, in a state whose checksum has been verified. */
    private static GptConfig config(JsonNode section, int vocabulary) {
        return new GptConfig(
                vocabulary,
                section.path("block_size").asInt(),
                section.path("n_layer").asInt(),
                section.path("n_head").asInt(),
                section.path("n_embd").asInt(),
                (float) section.path("dropout").asDouble(),
                section.path("bias").asBoolean(),
                section.path("activation").asText().equals("gelu_tanh") ? Gelu.Form.TANH : Gelu.Form.ERF);
    }

    private static void requireWritten(ModelFolder folder, JsonNode recorded) throws IOException {
        String path = folder.path(CheckpointFormat.MODEL);
        if (!folder.has(CheckpointFormat.MODEL)) {
            throw new ModelFileException(path + " is missing; use another checkpoint");
        }
        CheckedInputStream checked = new CheckedInputStream(folder.open(CheckpointFormat.MODEL, 0), new CRC32C());
        try (InputStream in = checked) {
            long bytes = in.transferTo(OutputStream.nullOutputStream());
            if (bytes != recorded.path("bytes").asLong(-1)
                    || checked.getChecksum().getValue()
                            != recorded.path("crc32c").asLong(-1)) {
                throw new ModelFileException(
                        path
                                + " is damaged: its length and checksum are not those recorded when it was written; use another checkpoint");
            }
        }
    }
}
