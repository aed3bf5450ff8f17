package dev.kindling.config;

import static dev.kindling.config.ConfigException.check;

import java.io.Serializable;

/**
 * {@code checkpoint}: steps between two checkpoints, how many committed ones to keep, and whether each executor also
 * holds the two newest in memory, 24 bytes a parameter, to go on from it when another executor is lost.
 */
public record CheckpointSection(int interval, int keep, boolean inMemory) implements Serializable {

    static final CheckpointSection DEFAULT = new CheckpointSection(250, 3, true);

    public CheckpointSection {
        check(interval >= 1, "checkpoint.interval is %d; set it to 1 step or more", interval);
        check(keep >= 1, "checkpoint.keep is %d, but resuming needs a checkpoint; set it to 1 or more", keep);
    }
}
