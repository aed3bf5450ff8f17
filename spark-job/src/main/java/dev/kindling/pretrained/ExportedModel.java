package dev.kindling.pretrained;

import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.config.TrainConfig;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.data.token.Tokenizers;
import dev.kindling.interop.HuggingFaceModel;
import dev.kindling.interop.TensorContent;
import dev.kindling.model.GptConfigs;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.storage.HadoopModelFolder;
import java.io.IOException;
import java.util.SortedMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * A committed checkpoint to write for other programs.
 *
 * @param weights by Kindling's names; they stream from the checkpoint
 */
record ExportedModel(GptConfig model, Tokenizer tokenizer, SortedMap<String, TensorContent> weights) {
    /** Opens a checkpoint, after every byte of its model has been verified. */
    static ExportedModel open(Path checkpoint, Configuration hadoop) throws IOException {
        CheckpointState state = CheckpointStore.around(checkpoint, hadoop).verifyModel(checkpoint);
        String origin = checkpoint + "/state.json";
        Tokenizer tokenizer = Tokenizers.fromJson(state.tokenizer(), origin);
        GptConfig model =
                GptConfigs.of(TrainConfig.fromTree(state.config(), origin).model(), tokenizer.vocabSize());
        return new ExportedModel(
                model, tokenizer, HuggingFaceModel.ofCheckpoint(HadoopModelFolder.at(checkpoint, hadoop), model));
    }
}
