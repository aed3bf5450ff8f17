package dev.kindling.coordinate.message;

import java.io.Serializable;

/**
 * One barrier job: a fixed set of ranks that trains until it is done or one of them fails.
 *
 * @param number 1, 2, ... unique within an application; stands in every message
 * @param worldSize number of ranks
 * @param startStep the step that it starts from: until its ranks have said what they hold, that of the last checkpoint
 * @param attempt 1 for the first generation since the last progress, then 2, 3, ...
 */
public record Generation(int number, int worldSize, long startStep, int attempt) implements Serializable {
    /** The same, from the step that was agreed. */
    public Generation startingAt(long step) {
        return new Generation(number, worldSize, step, attempt);
    }
}
