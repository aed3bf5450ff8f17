package dev.kindling.pretrained;

import static dev.kindling.config.ConfigException.check;

import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.config.ConfigException;
import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.config.EnumText;
import dev.kindling.config.ModelSection;
import dev.kindling.config.ModelSection.Activation;
import dev.kindling.config.TrainConfig;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.device.Gelu;
import dev.kindling.interop.HuggingFaceModel;
import dev.kindling.interop.HuggingFaceVocabulary;
import dev.kindling.interop.ModelFileException;
import dev.kindling.interop.ModelFolder;
import dev.kindling.model.GptConfigs;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.storage.HadoopModelFolder;
import java.io.IOException;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * A GPT-2 in a Hugging Face folder, with its tokenizer: headers and vocabulary in memory, weights on disk.
 *
 * @param folder as errors name it
 */
public record PretrainedModel(String folder, HuggingFaceModel model, Tokenizer tokenizer) {
    /** Tokens of a forward pass that most devices hold, for the batch sizes of an imported configuration. */
    private static final int MICRO_BATCH_TOKENS = 8192;

    /** Whether a folder is one of transformers'. */
    public static boolean isAt(Path folder, Configuration hadoop) throws IOException {
        return HuggingFaceModel.isIn(HadoopModelFolder.at(folder, hadoop));
    }

    /**
     * Opens a folder.
     *
     * @throws ModelFileException if it is no GPT-2, or its files do not fit together
     * @throws dev.kindling.data.DataException if its tokenizer is none that is supported
     */
    public static PretrainedModel open(Path path, Configuration hadoop) throws IOException {
        return open(HadoopModelFolder.at(path, hadoop));
    }

    static PretrainedModel open(ModelFolder folder) throws IOException {
        HuggingFaceModel model = HuggingFaceModel.open(folder);
        Tokenizer tokenizer =
                HuggingFaceVocabulary.read(folder, model.config().model().vocabulary());
        return new PretrainedModel(folder.path(""), model, tokenizer);
    }

    /** The model section of the folder; without biases where all are zero. */
    public ModelSection section() throws IOException {
        GptConfig config = model.config().model();
        return new ModelSection(
                config.layers(),
                config.heads(),
                config.width(),
                config.blockSize(),
                Double.parseDouble(Float.toString(config.dropout())),
                model.hasBiases(),
                activation());
    }

    private Activation activation() {
        return model.config().model().activation() == Gelu.Form.TANH ? Activation.GELU_TANH : Activation.GELU;
    }

    /** The value of {@code data.tokenizer} that stands for the folder's. */
    public TokenizerKind tokenizerKind() {
        return TokenizerKind.of(tokenizer);
    }

    /**
     * Fails if a training cannot begin with these weights.
     *
     * @throws ConfigException naming the key, its value and the folder's
     */
    public void requireFits(TrainConfig config) {
        GptConfig own = model.config().model();
        ModelSection asked = config.model();
        requireSame("model.n_layer", asked.nLayer(), own.layers());
        requireSame("model.n_head", asked.nHead(), own.heads());
        requireSame("model.n_embd", asked.nEmbd(), own.width());
        requireSame("model.activation", EnumText.of(asked.activation()), EnumText.of(activation()));
        requireSame("data.tokenizer", EnumText.of(config.data().tokenizer()), EnumText.of(tokenizerKind()));
        requirePositions(asked, folder, own.blockSize());
    }

    /**
     * Fails if a model has more positions than the weights that it is to begin with.
     *
     * @param from which weights
     * @throws ConfigException naming both numbers
     */
    public static void requirePositions(ModelSection asked, String from, int positions) {
        check(
                asked.blockSize() <= positions,
                "model.block_size is %d, but train.init_from %s has %d positions, and others were never trained; set it to %d or less",
                asked.blockSize(),
                from,
                positions,
                positions);
    }

    private void requireSame(String key, Object asked, Object own) {
        check(asked.equals(own), "%s is %s, but train.init_from %s has %s; set it to that", key, asked, folder, own);
    }

    /** The configuration of a run that begins as the folder's model, with the defaults for all else. */
    public TrainConfig config() throws IOException {
        ModelSection section = section();
        TrainConfig defaults = TrainConfig.defaults();
        int micro = Integer.highestOneBit(
                Math.max(1, Math.min(defaults.train().globalBatch(), MICRO_BATCH_TOKENS / section.blockSize())));
        return defaults.withModel(model -> section)
                .withData(data -> data.withTokenizer(tokenizerKind()))
                .withTrain(train -> train.withMicroBatch(micro));
    }

    /** What a checkpoint of these weights at step 0 holds besides them. */
    public CheckpointState state(TrainConfig config) {
        return state(config, tokenizer);
    }

    static CheckpointState state(TrainConfig config, Tokenizer tokenizer) {
        return new CheckpointState(
                0,
                config.toTree(),
                tokenizer.toJson(),
                config.train().seed(),
                0,
                1,
                OptionalDouble.empty(),
                OptionalLong.empty());
    }

    /**
     * Writes the weights as the checkpoint of step 0, one piece at a time.
     *
     * @param config whose model section may have a smaller {@code block_size} than the folder
     * @return the committed directory
     * @throws ModelFileException if a weight is not finite, or the model section asks for what the folder has not
     */
    public Path save(TrainConfig config, CheckpointStore store) throws IOException {
        return store.save(new Checkpoint(
                state(config), model.weights(GptConfigs.of(config.model(), tokenizer.vocabSize())), Map.of()));
    }
}
