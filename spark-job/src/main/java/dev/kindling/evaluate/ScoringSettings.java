package dev.kindling.evaluate;

import dev.kindling.config.ClusterSection.AttentionChoice;
import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.config.TrainSection.PrecisionChoice;
import dev.kindling.inference.ExecutorModels;
import java.io.IOException;
import java.io.Serializable;

/**
 * How executors score tokens: with which model, on what.
 *
 * @param checkpoint the checkpoint's directory, qualified
 * @param batch B, windows of block_size tokens that one forward pass takes
 * @param stride S, tokens by which the windows over a long document advance, 1 to block_size
 * @param windowTokens about how long windows are on average, 1 to block_size; 0 where nobody knows
 * @param skipBad whether a document that cannot be scored is reported and passed over, or fails the job
 */
public record ScoringSettings(
        String checkpoint,
        DeviceChoice device,
        PrecisionChoice precision,
        AttentionChoice attention,
        int batch,
        int stride,
        int windowTokens,
        boolean skipBad)
        implements Serializable, ExecutorModels.Specification<LoadedScorer> {

    @Override
    public LoadedScorer load() throws IOException {
        return LoadedScorer.load(this);
    }
}
