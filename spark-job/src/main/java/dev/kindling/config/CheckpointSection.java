package dev.kindling.config;

import static dev.kindling.config.ConfigException.check;

import java.io.Serializable;

/** {@code checkpoint}: when the state of training is saved, and how long it is kept. */
public record CheckpointSection(
        @KeyDoc(defaultValue = "250", allowed = "1 or more", doc = "steps between two checkpoints")
        int interval,

        @KeyDoc(
                defaultValue = "3",
                allowed = "1 or more",
                doc = "newest checkpoints that are kept; the best one by validation loss stays as well")
        int keep,

        @KeyDoc(
                defaultValue = "true",
                doc =
                        "hold the two newest in memory on each executor as well (24 bytes a parameter), for when one is lost")
        boolean inMemory)
        implements Serializable {

    public CheckpointSection {
        check(interval >= 1, "checkpoint.interval is %d; set it to 1 step or more", interval);
        check(keep >= 1, "checkpoint.keep is %d, but resuming needs a checkpoint; set it to 1 or more", keep);
    }
}
