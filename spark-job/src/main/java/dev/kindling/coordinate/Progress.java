package dev.kindling.coordinate;

import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.Generation;

/** What the loop of generations asks and tells, on the thread that runs it. */
@FunctionalInterface
public interface Progress {
    /**
     * The step of the last committed checkpoint, 0 without one: where the next generation starts, unless its ranks hold a
     * newer one.
     */
    long committedStep();

    /** A generation has begun, and it is known from which step. */
    default void started(Generation generation) {}

    /**
     * A generation goes on where an earlier one has ended.
     *
     * @param how in a line: why, from where, at what cost
     * @param lostSteps that were finished and have to be computed again
     */
    default void goesOn(Generation generation, String how, long lostSteps) {}

    /** A generation ended before the job did. */
    default void failed(Generation generation, FirstCause cause) {}

    /** Something has taken long, and is waited for within its bound: without word of it that would look like a hang. */
    default void delayed(String what) {}
}
