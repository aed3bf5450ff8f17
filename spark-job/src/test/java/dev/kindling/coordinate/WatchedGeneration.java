package dev.kindling.coordinate;

import dev.kindling.allreduce.link.Peer;
import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.Limits;
import java.util.Optional;

/** A generation that is open at its coordinator without a Spark job of its ranks, for those that are simulated. */
public final class WatchedGeneration {
    private final GenerationState state;
    private final DelayNotices delays;

    public WatchedGeneration(Coordinator coordinator, Generation generation, Limits limits, Progress progress) {
        state = new GenerationState(generation, limits, new Peer(-1, "", 0, "driver", ""));
        delays = new DelayNotices(coordinator, state, progress, limits.silence());
        coordinator.open(state);
    }

    /** What {@link Generations} looks at every 50 ms. */
    public Optional<FirstCause> problem() {
        delays.look();
        return state.problem();
    }

    /** How often the heart of a rank of so many beats. */
    public static long beatMillis(int worldSize) {
        return Heartbeat.periodMillis(Limits.standard(), worldSize);
    }

    /** How often a rank of so many reports. */
    public static long reportMillis(int worldSize) {
        return ReportQueue.periodMillis(worldSize);
    }
}
