package dev.kindling.evaluate;

import dev.kindling.config.ClusterSection.AttentionChoice;
import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.config.TrainSection.PrecisionChoice;
import dev.kindling.inference.ExecutorModels;
import java.io.IOException;
import java.io.Serializable;

/**
 * How executors score tokens: with which model, and on what.
 *
 * @param checkpoint the checkpoint's directory, qualified
 * @param batch B, windows of block_size tokens per forward pass
 * @param stride S, tokens by which the windows over a long document advance, 1 to block_size
 * @param windowTokens the approximate mean length of windows, 1 to block_size; 0 if unknown
 * @param skipBad whether a document that cannot be scored is reported and skipped; otherwise it fails the job
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
