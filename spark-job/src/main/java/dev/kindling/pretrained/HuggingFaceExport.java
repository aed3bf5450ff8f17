package dev.kindling.pretrained;

import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.HuggingFaceTokenizer;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.device.Gelu;
import dev.kindling.interop.HuggingFaceConfig;
import dev.kindling.interop.HuggingFaceModel;
import dev.kindling.interop.SafeTensorsFile;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.storage.Storage;
import dev.kindling.tensor.DType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** A checkpoint as a folder that {@code AutoModelForCausalLM} and {@code AutoTokenizer} open. */
public final class HuggingFaceExport {
    private HuggingFaceExport() {}

    /**
     * Writes the files, after every byte of the checkpoint's model has been verified; weights stream.
     *
     * @param checkpoint a committed checkpoint directory
     * @param folder to write to; the caller makes it appear
     * @param type F32 or BF16
     * @return notes for the user on what differs in that format
     */
    public static List<String> write(Path checkpoint, DType type, Path folder, Configuration hadoop)
            throws IOException {
        ExportedModel exported = ExportedModel.open(checkpoint, hadoop);
        GptConfig model = exported.model();
        Tokenizer tokenizer = exported.tokenizer();
        SafeTensorsFile weights = HuggingFaceModel.toFile(exported.weights(), model, type);
        Storage storage = Storage.of(folder, hadoop);
        storage.write(new Path(folder, "config.json"), HuggingFaceConfig.toJson(model, tokenizer.endOfText(), type));
        storage.write(
                new Path(folder, "generation_config.json"), HuggingFaceConfig.generationJson(tokenizer.endOfText()));
        storage.write(new Path(folder, "tokenizer.json"), HuggingFaceTokenizer.toJson(tokenizer));
        storage.write(
                new Path(folder, "tokenizer_config.json"),
                HuggingFaceTokenizer.configJson(tokenizer, model.blockSize()));
        storage.create(new Path(folder, "model.safetensors"), weights::writeTo);
        return notes(model, tokenizer, type);
    }

    private static List<String> notes(GptConfig model, Tokenizer tokenizer, DType type) {
        List<String> notes = new ArrayList<>();
        notes.add(
                model.activation() == Gelu.Form.TANH
                        ? "activation gelu_tanh is activation_function gelu_new"
                        : "activation gelu, by the error function, is activation_function gelu, not GPT-2's gelu_new");
        if (!model.bias()) {
            notes.add("the model has no biases: GPT2LMHeadModel has, so zeros are written");
        }
        if (type == DType.BF16) {
            notes.add("weights are rounded to bf16, to nearest even");
        }
        notes.add(
                tokenizer instanceof CharTokenizer
                        ? "the tokenizer has a token for each character of the vocabulary and none for others: they"
                                + " are an error"
                        : "where text spells a special token, as <|endoftext|>, AutoTokenizer takes it for that token,"
                                + " and Kindling for text");
        return notes;
    }
}
