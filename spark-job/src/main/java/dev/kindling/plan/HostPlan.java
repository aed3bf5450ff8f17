package dev.kindling.plan;

import dev.kindling.model.HostRoom;
import dev.kindling.model.Snapshot;
import java.util.Locale;

/**
 * What a rank takes of its host's memory beside the heap: checkpoints. Where the host or its container has less, that is
 * said, and what happens then.
 *
 * @param bytes of the checkpoints that lie there
 * @param held whether they are the two newest, held for the next generation, or one that is written
 * @param room on the host
 */
public record HostPlan(long bytes, boolean held, HostRoom room) {
    /** The plan of a rank. */
    public static HostPlan of(PlannedRank rank, HostRoom room) {
        long snapshot = Snapshot.WEIGHT_BYTES * MemoryPlan.weightCount(rank);
        boolean held = rank.config().checkpoint().inMemory();
        return new HostPlan(held ? 2 * snapshot : snapshot, held, room);
    }

    /** A line that follows those of {@link MemoryFit#table}. */
    public String line() {
        return String.format(
                Locale.ROOT,
                "  %-12s %11s  beside the heap, for %s; %s: %s%n",
                "host",
                MemoryFit.size(bytes),
                held ? "the two newest checkpoints" : "a checkpoint while it is written, where the device has no room",
                room.text().orElse("the system does not say what it has"),
                verdict(room.missing(bytes)));
    }

    private String verdict(long missing) {
        if (missing == 0) {
            return "fits";
        }
        String remedy =
                "give it " + MemoryFit.size(missing) + " more (spark.executor.memoryOverhead, or a larger host)";
        return held
                ? "does not fit: " + remedy
                        + ", or set checkpoint.in_memory to false; else what does not fit is left out"
                : "does not fit: " + remedy + "; else training waits while one is written";
    }
}
