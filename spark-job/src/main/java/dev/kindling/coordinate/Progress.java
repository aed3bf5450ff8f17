package dev.kindling.coordinate;

import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.Generation;

/** What the loop of generations asks and tells, on the thread that runs it. */
@FunctionalInterface
public interface Progress {
    /** The step that the next generation starts from: that of the last committed checkpoint, 0 without one. */
    long committedStep();

    /** A generation has its slots and begins. */
    default void started(Generation generation) {}

    /** A generation ended before the job did. */
    default void failed(Generation generation, FirstCause cause) {}

    /** Something has taken long, and is waited for within its bound: without word of it that would look like a hang. */
    default void delayed(String what) {}
}
