package dev.kindling.train;

import static dev.kindling.train.ConfigException.check;

import java.io.Serializable;

/** {@code checkpoint}: steps between two checkpoints, and how many committed ones to keep. */
public record CheckpointSection(int interval, int keep) implements Serializable {

    static final CheckpointSection DEFAULT = new CheckpointSection(250, 3);

    public CheckpointSection {
        check(interval >= 1, "checkpoint.interval is %d; set it to 1 step or more", interval);
        check(keep >= 1, "checkpoint.keep is %d, but resuming needs a checkpoint; set it to 1 or more", keep);
    }
}
