package dev.kindling.report;

import java.util.List;

/** Observes a training on the driver. Its methods must not block. */
public interface TrainingWatcher {
    TrainingWatcher NONE = step -> {};

    /** The tokens are ready. */
    default void prepared() {}

    /**
     * A rank is about to take its first step of a generation.
     *
     * @param phases what its time has gone to since the generation began there
     */
    default void began(int rank, List<StartClock.Phase> phases) {}

    /** A step is done. */
    void step(StepMetrics step);
}
