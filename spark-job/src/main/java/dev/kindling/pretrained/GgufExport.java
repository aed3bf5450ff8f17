package dev.kindling.pretrained;

import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.GgufTokenizer;
import dev.kindling.device.Gelu;
import dev.kindling.interop.GgufFile;
import dev.kindling.interop.GgufModel;
import dev.kindling.interop.WeightType;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** A checkpoint as {@code model.gguf}, for llama.cpp and what is built on it. */
public final class GgufExport {
    private GgufExport() {}

    /**
     * Writes the file, after every byte of the checkpoint's model has been verified; weights stream.
     *
     * @param checkpoint a committed checkpoint directory
     * @param type of the matrices: F32, F16 or Q8_0
     * @param folder to write to; the caller makes it appear
     * @return notes for the user on what llama.cpp does differently
     * @throws dev.kindling.data.DataException if llama.cpp cannot express the vocabulary
     */
    public static List<String> write(Path checkpoint, WeightType type, Path folder, Configuration hadoop)
            throws IOException {
        ExportedModel exported = ExportedModel.open(checkpoint, hadoop);
        GgufFile file = GgufModel.toFile(
                exported.weights(), exported.model(), GgufTokenizer.metadata(exported.tokenizer()), type);
        Storage.of(folder, hadoop).create(new Path(folder, "model.gguf"), file::writeTo);
        return notes(exported, type);
    }

    private static List<String> notes(ExportedModel exported, WeightType type) {
        List<String> notes = new ArrayList<>();
        if (exported.model().activation() == Gelu.Form.ERF) {
            notes.add("activation gelu: llama.cpp's GPT-2 has its approximation by tanh, so its logits differ a little;"
                    + " train with model.activation gelu_tanh for the same");
        }
        if (!exported.model().bias()) {
            notes.add("the model has no biases: llama.cpp's GPT-2 has, so zeros are written");
        }
        if (type != WeightType.F32) {
            notes.add("matrices are rounded to " + (type == WeightType.F16 ? "f16" : "blocks of 8 bits (q8_0)"));
        }
        notes.add(
                exported.tokenizer() instanceof CharTokenizer
                        ? "the characters are written as a vocabulary of llama.cpp's kind rwkv: it has no end of text, and"
                                + " a prompt may hold no other characters, over which llama.cpp fails or does not end"
                        : "where a prompt spells a special token, as <|endoftext|>, llama.cpp takes it for that token, and"
                                + " Kindling for text");
        return notes;
    }
}
