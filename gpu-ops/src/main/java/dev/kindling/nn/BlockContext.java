package dev.kindling.nn;

import dev.kindling.attention.Sdpa;
import dev.kindling.device.AttentionInputs;
import dev.kindling.device.Device;
import dev.kindling.device.Dropout;
import dev.kindling.device.Ops;

/**
 * What the modules of one {@link Gpt} share.
 *
 * @param sequences delimits packed documents; null for dense sequences
 * @param cache of keys and values when tokens come one by one; else null
 */
record BlockContext(
        GptConfig config,
        Parameters parameters,
        Device device,
        Sdpa sdpa,
        BatchShape shape,
        AttentionInputs.Sequences sequences,
        KvCache cache,
        Workspace workspace) {

    Ops ops() {
        return device.ops();
    }

    /** The model's dropout at one of its sites: 0 the embedding, then three a block. */
    Dropout dropout(int site) {
        return new Dropout(config.dropout(), site);
    }
}
