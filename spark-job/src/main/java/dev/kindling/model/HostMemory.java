package dev.kindling.model;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How much memory this process may still take outside of its heap: what the host has available, and what the limits of its
 * control groups leave (containers of Kubernetes, YARN and Docker are such groups).
 */
public final class HostMemory {
    private static final Logger LOG = LoggerFactory.getLogger(HostMemory.class);
    /** What a limit file holds where there is none: {@code max}, or in version 1 a number close to 2^63. */
    private static final long UNLIMITED = 1L << 60;

    private final Path proc;
    private final Path groups;

    /**
     * @param proc where the kernel's tables are
     * @param groups where control groups are
     */
    public HostMemory(Path proc, Path groups) {
        this.proc = proc;
        this.groups = groups;
    }

    /** Of this machine. */
    public static HostMemory ofThisProcess() {
        return new HostMemory(Path.of("/proc"), Path.of("/sys/fs/cgroup"));
    }

    /**
     * What bounds a process's memory.
     *
     * @param what for people: the host, or the container and the file that holds its limit
     * @param total all that there is, or is allowed
     * @param free of it, with the pages of files that the kernel takes back by itself
     */
    public record Bound(String what, long total, long free) {}

    /** The tightest bound, by what it leaves; empty where the system does not say. */
    public Optional<Bound> bound() {
        return Stream.concat(groupBounds(), host().stream()).min(Comparator.comparingLong(Bound::free));
    }

    /** The lowest of all that there is, or is allowed. */
    public Optional<Bound> limit() {
        return Stream.concat(groupBounds(), host().stream()).min(Comparator.comparingLong(Bound::total));
    }

    private Optional<Bound> host() {
        OptionalLong free = ofHost("MemAvailable:");
        return free.isEmpty()
                ? Optional.empty()
                : Optional.of(new Bound("host", ofHost("MemTotal:").orElse(free.getAsLong()), free.getAsLong()));
    }

    private OptionalLong ofHost(String name) {
        return lines(proc.resolve("meminfo")).stream()
                .filter(line -> line.startsWith(name))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
                .findFirst();
    }

    /** Of the control groups of this process, from its own up to the root; those without a limit left out. */
    private Stream<Bound> groupBounds() {
        return lines(proc.resolve("self/cgroup")).stream()
                .map(line -> line.split(":", 3))
                .filter(entry -> entry.length == 3 && (entry[1].isEmpty() || entry[1].equals("memory")))
                .flatMap(entry -> entry[1].isEmpty()
                        ? upwards(groups, entry[2]).map(group -> bound(group, "memory.max", "memory.current"))
                        : upwards(groups.resolve("memory"), entry[2])
                                .map(group -> bound(group, "memory.limit_in_bytes", "memory.usage_in_bytes")))
                .flatMap(Optional::stream);
    }

    /** A group and those that it is in; within a container the path may be that of the host, and only the root is there. */
    private static Stream<Path> upwards(Path root, String name) {
        Path group = root.resolve(name.replaceFirst("^/+", "")).normalize();
        return Stream.iterate(group, it -> it != null && it.startsWith(root), Path::getParent);
    }

    private static Optional<Bound> bound(Path group, String limit, String usage) {
        OptionalLong most = number(group.resolve(limit));
        OptionalLong used = number(group.resolve(usage));
        if (most.isEmpty() || used.isEmpty() || most.getAsLong() >= UNLIMITED) {
            return Optional.empty();
        }
        long files = lines(group.resolve("memory.stat")).stream()
                .filter(line -> line.startsWith("inactive_file ") || line.startsWith("total_inactive_file "))
                .mapToLong(line -> Long.parseLong(line.substring(line.indexOf(' ') + 1)))
                .max()
                .orElse(0);
        long free = Math.max(0, most.getAsLong() - used.getAsLong() + files);
        return Optional.of(new Bound("container (" + limit + ")", most.getAsLong(), free));
    }

    private static OptionalLong number(Path file) {
        return lines(file).stream()
                .filter(line -> line.matches("\\d{1,18}|\\d{19}"))
                .mapToLong(Long::parseLong)
                .findFirst();
    }

    private static List<String> lines(Path file) {
        try {
            return Files.isRegularFile(file) ? Files.readAllLines(file) : List.of();
        } catch (IOException e) {
            LOG.debug("passed over {}: {}", file, e.getMessage());
            return List.of();
        }
    }
}
