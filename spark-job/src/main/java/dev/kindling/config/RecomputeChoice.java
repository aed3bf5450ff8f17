package dev.kindling.config;

import dev.kindling.nn.Recompute;
import java.util.List;

/** What backward computes again, or the least of it with which training fits the device. */
public enum RecomputeChoice {
    AUTO,
    NONE,
    GELU,
    LAYER;

    /** What may be chosen, the fastest first. */
    List<Recompute> choices() {
        return switch (this) {
            case AUTO -> List.of(Recompute.values());
            case NONE -> List.of(Recompute.NONE);
            case GELU -> List.of(Recompute.GELU);
            case LAYER -> List.of(Recompute.LAYER);
        };
    }
}
