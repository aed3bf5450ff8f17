package dev.kindling.report;

import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** Where the time before a training's first step goes: named phases, one after the other. Used by one thread after the other. */
public final class StartClock {
    /** When the front door was opened, in seconds of Unix time; set by submit.sh. */
    private static final String SUBMITTED = "kindling.submitted";

    private final List<Phase> phases = new ArrayList<>();
    private long since = System.nanoTime();

    /** One phase, and how long it took. */
    public record Phase(String name, double seconds) {}

    /** A clock that starts now. */
    public static StartClock now() {
        return new StartClock();
    }

    /** The driver's: what submit.sh and the start of this JVM took are phases that have ended. */
    public static StartClock ofDriver() {
        StartClock clock = new StartClock();
        double now = System.currentTimeMillis() / 1e3;
        double jvm = ManagementFactory.getRuntimeMXBean().getStartTime() / 1e3;
        String submitted = System.getProperty(SUBMITTED, "");
        if (!submitted.isEmpty()) {
            clock.phases.add(new Phase("launcher", jvm - Double.parseDouble(submitted)));
        }
        clock.phases.add(new Phase("driver's JVM", now - jvm));
        return clock;
    }

    private StartClock() {}

    /** The phase {@code name}, which began with the end of the one before, has ended. */
    public void mark(String name) {
        long now = System.nanoTime();
        phases.add(new Phase(name, (now - since) / 1e9));
        since = now;
    }

    /**
     * A phase has ended, of which another process has measured the last parts; what came before them is {@code name}'s.
     */
    public void mark(String name, List<Phase> parts) {
        mark(name);
        double measured = parts.stream().mapToDouble(Phase::seconds).sum();
        Phase whole = phases.remove(phases.size() - 1);
        phases.add(new Phase(name, whole.seconds() - measured));
        phases.addAll(parts);
    }

    /** All phases so far. */
    public List<Phase> phases() {
        return List.copyOf(phases);
    }

    /** "first step 10.6 s after submit: launcher 0.9, ..."; each phase in seconds. */
    public String line() {
        return String.format(
                Locale.ROOT,
                "first step %.1f s after submit: %s",
                phases.stream().mapToDouble(Phase::seconds).sum(),
                list(phases));
    }

    /** "device 0.54, shards 0.02"; in seconds. */
    public static String list(List<Phase> phases) {
        return phases.stream()
                .map(phase -> String.format(Locale.ROOT, "%s %.2f", phase.name(), phase.seconds()))
                .collect(Collectors.joining(", "));
    }
}
