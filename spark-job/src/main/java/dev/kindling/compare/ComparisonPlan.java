package dev.kindling.compare;

import dev.kindling.attention.AttentionBackend;
import java.io.Serializable;
import java.util.List;

/**
 * What a comparison of attention backends runs on every rank.
 *
 * @param backends in order; the first that runs is what the others are compared with
 * @param lengths T, tokens of a sequence
 * @param compile whether steps are captured: true, false or both
 * @param warmUp steps from the common weights, untimed; their losses are compared
 * @param rounds that are timed; in each every backend has its turn, in rotating order
 * @param steps of a backend's turn
 */
public record ComparisonPlan(
        List<AttentionBackend.Kind> backends,
        List<Integer> lengths,
        List<Boolean> compile,
        int warmUp,
        int rounds,
        int steps)
        implements Serializable {
    public ComparisonPlan {
        backends = List.copyOf(backends);
        lengths = List.copyOf(lengths);
        compile = List.copyOf(compile);
    }
}
