package dev.kindling.pretrained;

import dev.kindling.device.Gelu;
import dev.kindling.interop.NanoGptModel;
import dev.kindling.storage.Storage;
import dev.kindling.tensor.DType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** A checkpoint as nanoGPT's {@code GPT} loads it: {@code model.safetensors} and {@code model_args.json}. */
public final class NanoGptExport {
    private NanoGptExport() {}

    /**
     * Writes the files, after every byte of the checkpoint's model has been verified; weights stream.
     *
     * @param checkpoint a committed checkpoint directory
     * @param type F32 or BF16
     * @param folder to write to; the caller makes it appear
     * @return notes for the user on what nanoGPT does differently
     */
    public static List<String> write(Path checkpoint, DType type, Path folder, Configuration hadoop)
            throws IOException {
        ExportedModel exported = ExportedModel.open(checkpoint, hadoop);
        Storage storage = Storage.of(folder, hadoop);
        storage.write(new Path(folder, "model_args.json"), NanoGptModel.arguments(exported.model()));
        storage.create(new Path(folder, "model.safetensors"), NanoGptModel.toFile(exported.weights(), type)::writeTo);
        List<String> notes = new ArrayList<>();
        if (exported.model().activation() == Gelu.Form.TANH) {
            notes.add("activation gelu_tanh: nanoGPT's GELU is by the error function, so its logits differ a little;"
                    + " make it nn.GELU(approximate='tanh') in model.py for the same");
        }
        if (type == DType.BF16) {
            notes.add("weights are rounded to bf16, to nearest even");
        }
        return notes;
    }
}
