package dev.kindling.nn;

import dev.kindling.attention.Sdpa;
import dev.kindling.device.AttentionInputs;
import dev.kindling.device.Device;
import dev.kindling.device.Dropout;
import dev.kindling.device.Ops;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.Parameters;

/**
 * What the modules of one {@link Gpt} share.
 *
 * @param sequences boundaries of packed documents; null for dense sequences
 * @param cache keys and values of earlier tokens where tokens come one by one; otherwise null
 * @param fp8 what training in FP8 keeps beside the weights; otherwise null
 */
record BlockContext(
        GptConfig config,
        Parameters parameters,
        Device device,
        Sdpa sdpa,
        BatchShape shape,
        AttentionInputs.Sequences sequences,
        KvCache cache,
        Fp8State fp8,
        Workspace workspace) {

    Ops ops() {
        return device.ops();
    }

    /** Is the classifier in FP8? */
    boolean fp8Head() {
        return fp8 != null && fp8.head();
    }

    /**
     * The dropout of one place in the model, so that no two share a mask: site 0 is the embedding, then three per
     * block.
     */
    Dropout dropout(int site) {
        return new Dropout(config.dropout(), site);
    }
}
