package dev.kindling.plan;

import dev.kindling.model.HostRoom;
import dev.kindling.model.Snapshot;
import java.util.Locale;

/**
 * What a rank takes of its host's memory beside the heap: its process and checkpoints. Where the host or its container has
 * less, that is said, and what happens then.
 *
 * @param process bytes of the JVM and, on a GPU, of CUDA
 * @param checkpoints bytes of those that lie there
 * @param held whether they are the two newest, held for the next generation, or one that is written
 * @param runs whether the process has taken its part already, so that the room is what is left
 * @param room on the host
 */
public record HostPlan(long process, long checkpoints, boolean held, boolean runs, HostRoom room) {
    /** Resident beside the heap (Linux, JDK 17, an hour of the CPU config), without files that processes share. */
    private static final long JVM = 160L << 20;
    /** CUDA's context, pinned memory and the runtime compiler (CUDA 13 on an H200, GPT-2 124M). */
    private static final long CUDA = 500L << 20;

    /** The plan of a rank that is to come. */
    public static HostPlan of(PlannedRank rank, HostRoom room) {
        return of(rank, false, room);
    }

    /** The plan of the rank whose process this is, with its device open. */
    public static HostPlan ofThisProcess(PlannedRank rank, HostRoom room) {
        return of(rank, true, room);
    }

    private static HostPlan of(PlannedRank rank, boolean runs, HostRoom room) {
        long snapshot = Snapshot.WEIGHT_BYTES * MemoryPlan.weightCount(rank);
        boolean held = rank.config().checkpoint().inMemory();
        return new HostPlan(rank.cuda() ? JVM + CUDA : JVM, held ? 2 * snapshot : snapshot, held, runs, room);
    }

    /** A line that follows those of {@link MemoryFit#table}. */
    public String line() {
        return String.format(
                Locale.ROOT,
                "  %-12s %11s  beside the heap: %s for its process, the rest for %s; %s: %s%n",
                "host",
                MemoryFit.size(process + checkpoints),
                MemoryFit.size(process),
                held ? "the two newest checkpoints" : "a checkpoint while it is written, where the device has no room",
                room.text().orElse("the system does not say what it has"),
                verdict(room.missing(runs ? checkpoints : process + checkpoints)));
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
