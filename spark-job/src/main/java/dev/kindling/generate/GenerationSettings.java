package dev.kindling.generate;

import dev.kindling.config.ClusterSection.AttentionChoice;
import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.config.TrainSection.PrecisionChoice;
import dev.kindling.inference.ExecutorModels;
import dev.kindling.model.ExecutorDevice;
import dev.kindling.nn.sample.Sampling;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.Serializable;
import java.util.List;
import org.apache.hadoop.fs.Path;

/**
 * How prompts are continued.
 *
 * @param model which model, and on what it runs
 * @param maxTokens the most tokens per text
 * @param stops strings before the first of which a text ends
 * @param samples texts per prompt
 * @param seed of all texts, see {@link #seed(long, int)}
 */
public record GenerationSettings(
        ModelChoice model, Sampling sampling, int maxTokens, List<String> stops, int samples, long seed)
        implements Serializable {
    /** Differs from the random generator's own increment: seeds that differ by that one would share their streams. */
    private static final long PROMPT_STEP = 0xD1342543DE82EF95L;

    /**
     * Which model, and on what it runs.
     *
     * @param checkpoint its directory, qualified
     * @param batch texts generated side by side
     */
    public record ModelChoice(
            String checkpoint, DeviceChoice device, PrecisionChoice precision, AttentionChoice attention, int batch)
            implements Serializable, ExecutorModels.Specification<LoadedGenerator> {
        @Override
        public LoadedGenerator load() throws IOException {
            return LoadedGenerator.load(
                    this, new Path(checkpoint), () -> ExecutorDevice.open(device, precision), Storage.settings());
        }
    }

    /** The seed of one text, by the number of its prompt and its own number alone. */
    public long seed(long prompt, int sample) {
        return seed + sample + prompt * PROMPT_STEP;
    }
}
