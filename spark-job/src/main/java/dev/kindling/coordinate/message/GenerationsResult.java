package dev.kindling.coordinate.message;

import java.util.List;

/**
 * How a job ended well.
 *
 * @param result rank 0's bytes
 * @param generations every generation that ran, the last of them to the end
 * @param failures the first cause of each generation that failed, in order
 */
public record GenerationsResult(byte[] result, List<Generation> generations, List<FirstCause> failures) {
    public GenerationsResult {
        generations = List.copyOf(generations);
        failures = List.copyOf(failures);
    }
}
