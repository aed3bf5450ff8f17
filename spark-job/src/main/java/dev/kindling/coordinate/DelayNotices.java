package dev.kindling.coordinate;

import java.util.stream.Stream;

/** Tells, again and again, what holds a generation up while it is within its bound, such as a store that hangs in a commit. */
final class DelayNotices {
    private final Coordinator coordinator;
    private final GenerationState state;
    private final Progress progress;
    private final long millis;
    private long told = System.nanoTime();

    /** @param millis after which a delay is told, and told again */
    DelayNotices(Coordinator coordinator, GenerationState state, Progress progress, long millis) {
        this.coordinator = coordinator;
        this.state = state;
        this.progress = progress;
        this.millis = millis;
    }

    void look() {
        if (Watchdog.millisSince(told) >= millis) {
            Stream.concat(coordinator.busy(millis).stream(), state.waits(millis).stream())
                    .forEach(delay -> {
                        told = System.nanoTime();
                        progress.delayed(delay);
                    });
        }
    }
}
