package dev.kindling.generate;

import dev.kindling.config.ClusterSection.AttentionChoice;
import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.config.TrainSection.PrecisionChoice;
import dev.kindling.inference.ExecutorModels;
import dev.kindling.model.ExecutorDevice;
import dev.kindling.nn.Sampling;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.Serializable;
import java.util.List;
import org.apache.hadoop.fs.Path;

/**
 * How prompts are continued.
 *
 * @param model what with, on what
 * @param maxTokens the most tokens of a text
 * @param stops strings before the first of which a text ends
 * @param samples texts a prompt
 * @param seed of all of them, see {@link #seed(long, int)}
 */
public record GenerationSettings(
        ModelChoice model, Sampling sampling, int maxTokens, List<String> stops, int samples, long seed)
        implements Serializable {
    /** A constant unlike that of the generator, whose streams seeds that differ by its own would share. */
    private static final long PROMPT_STEP = 0xD1342543DE82EF95L;

    /**
     * Which model runs where.
     *
     * @param checkpoint its directory, qualified
     * @param batch texts written side by side
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

    /** The seed of one text: a matter of its prompt's number and its own alone. */
    public long seed(long prompt, int sample) {
        return seed + sample + prompt * PROMPT_STEP;
    }
}
