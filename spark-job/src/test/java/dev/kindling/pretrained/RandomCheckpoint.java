package dev.kindling.pretrained;

import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.config.ModelSection;
import dev.kindling.config.TrainConfig;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.interop.Gpt2Tensors;
import dev.kindling.interop.TensorContent;
import dev.kindling.model.GptConfigs;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Random;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** A checkpoint of random weights, whose norms have weights around 1. */
final class RandomCheckpoint {
    private RandomCheckpoint() {}

    /** The elements of every weight. */
    static Map<String, float[]> weights(ModelSection section, int vocabulary, double deviation) {
        Random random = new Random(5);
        Map<String, float[]> weights = new TreeMap<>();
        Gpt2Tensors.all(GptConfigs.of(section, vocabulary)).forEach((name, shape) -> {
            float[] values = new float[Math.toIntExact(shape.stream().reduce(1L, Math::multiplyExact))];
            for (int i = 0; i < values.length; i++) {
                boolean norm = name.contains("ln_") && name.endsWith(".weight");
                values[i] = (float) ((norm ? 1 : 0) + deviation * random.nextGaussian());
            }
            weights.put(name, values);
        });
        return weights;
    }

    /** Commits a checkpoint of step 0 in {@code folder}. */
    static Path write(
            java.nio.file.Path folder, ModelSection section, Tokenizer tokenizer, Map<String, float[]> weights)
            throws IOException {
        TrainConfig config = TrainConfig.defaults()
                .withModel(model -> section)
                .withData(data ->
                        data.withTokenizer(tokenizer.id().equals("char") ? TokenizerKind.CHAR : TokenizerKind.GPT2));
        Map<String, TensorContent> contents = new TreeMap<>();
        Gpt2Tensors.all(GptConfigs.of(section, tokenizer.vocabSize()))
                .forEach((name, shape) -> contents.put(
                        name, new TensorContent(shape, sink -> sink.take(FloatBuffer.wrap(weights.get(name))))));
        Path path = new Path(folder.toUri());
        CheckpointState state = new CheckpointState(
                0, config.toTree(), tokenizer.toJson(), 1, 0, 1, OptionalDouble.empty(), OptionalLong.empty());
        return new CheckpointStore(Storage.of(path, new Configuration()), path, 1)
                .save(new Checkpoint(state, contents, Map.of()));
    }
}
