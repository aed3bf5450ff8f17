package dev.kindling.pretrained;

import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.config.TrainConfig;
import dev.kindling.interop.HuggingFaceModel;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.Map;
import org.apache.hadoop.fs.Path;

/** A checkpoint's model with its first positions alone. */
public final class CroppedModel {
    private CroppedModel() {}

    /**
     * Writes the weights as the checkpoint of step 0, one piece at a time, after every byte of them has been verified.
     *
     * @param checkpoint a committed checkpoint directory
     * @param config whose model section has a smaller {@code block_size} than the checkpoint's, and else the same shape
     * @return the committed directory
     */
    public static Path save(Path checkpoint, TrainConfig config, CheckpointStore store) throws IOException {
        ExportedModel whole = ExportedModel.open(checkpoint, Storage.settings());
        return store.save(new Checkpoint(
                PretrainedModel.state(config, whole.tokenizer()),
                HuggingFaceModel.cropped(whole.weights(), config.model().blockSize()),
                Map.of()));
    }
}
