package dev.kindling.model;

import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
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
        OptionalLong free = memory.free();
        if (free.isEmpty() || bytes <= free.getAsLong() / ranks / 5 * 4) {
            return Optional.empty();
        }
        return Optional.of(String.format(
                Locale.ROOT,
                "it takes %,d MiB outside of the heap, and the host or container has %,d MiB left%s",
                bytes >> 20,
                (free.getAsLong() / ranks) >> 20,
                ranks == 1 ? "" : " for each of its " + ranks + " ranks"));
    }
}
