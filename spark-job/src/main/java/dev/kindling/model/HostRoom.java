package dev.kindling.model;

import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.spark.BarrierTaskContext;
import org.apache.spark.BarrierTaskInfo;
import org.apache.spark.TaskContext;

/**
 * Whether copies of the state fit beside the heap, in the memory that this rank shares with the others on its host. A fifth
 * of it stays free.
 *
 * @param ranks on this host
 */
public record HostRoom(HostMemory memory, int ranks) {
    /** For the rank whose task this thread runs. */
    public static HostRoom ofThisTask() {
        int ranks = 1;
        if (TaskContext.get() instanceof BarrierTaskContext barrier) {
            BarrierTaskInfo[] all = barrier.getTaskInfos();
            String own = host(all[barrier.partitionId()]);
            ranks = (int) Stream.of(all).filter(info -> host(info).equals(own)).count();
        }
        return new HostRoom(HostMemory.ofThisProcess(), ranks);
    }

    private static String host(BarrierTaskInfo info) {
        return info.address().substring(0, info.address().lastIndexOf(':'));
    }

    /** Why so many bytes more do not fit; empty if they do, or the system does not say. */
    public Optional<String> whyNot(long bytes) {
        return memory.bound()
                .filter(bound -> bytes > room(bound))
                .map(bound -> String.format(
                        Locale.ROOT,
                        "it takes %,d MiB outside of the heap, and %s, of which a fifth stays free",
                        bytes >> 20,
                        left(bound)));
    }

    /** What there is: "the container (memory.max) has 596 of its 4,096 MiB left". */
    public Optional<String> text() {
        return memory.bound().map(this::left);
    }

    /** The lowest limit of the processes on this host or in its container, a rank's share of it. */
    public Optional<HostMemory.Bound> limit() {
        return memory.limit()
                .map(limit -> new HostMemory.Bound(limit.what(), limit.total() / ranks, limit.free() / ranks));
    }

    private String left(HostMemory.Bound bound) {
        return String.format(
                Locale.ROOT,
                "the %s has %,d of its %,d MiB left%s",
                bound.what(),
                (bound.free() / ranks) >> 20,
                bound.total() >> 20,
                ranks == 1 ? "" : " for each of its " + ranks + " ranks");
    }

    private long room(HostMemory.Bound bound) {
        return bound.free() / ranks / 5 * 4;
    }

    /** How many bytes are missing for so many more; 0 if they fit, or the system does not say. */
    public long missing(long bytes) {
        return memory.bound().map(bound -> Math.max(0, bytes - room(bound))).orElse(0L);
    }
}
