package dev.kindling.coordinate;

import java.util.Locale;
import java.util.function.LongSupplier;

/**
 * How long one rank has not been heard, and how long it may be silent. A process that is starved of its processor, or that
 * collects garbage, still beats now and then, only late; one that is frozen does not beat at all. So a rank has the bound, and
 * beyond it as much as its heartbeats have been late within the last half minute to minute, or twice the bound if it spends
 * more than a tenth of its time on collections. Never more than three times the bound. Not thread-safe.
 */
final class Silence {
    private static final long MEMORY_NANOS = 30_000_000_000L;
    /** A heartbeat is late if it takes this part of the bound. */
    private static final int LATE_PART = 5;
    /** The most that is added to the bound, in bounds. */
    private static final int MOST_ADDED = 2;

    private static final double MUCH_COLLECTION = 0.1;
    /** Of shorter times one collection would be a large share. */
    private static final long SHORTEST_SHARE_NANOS = 5_000_000_000L;

    private final LongSupplier nanoTime;
    private long heard;
    private long beaten;
    private long turned;
    private long longest;
    private long longestBefore;
    private long collected = -1;
    private long collectedAtTurn = -1;
    private double shareBefore;

    /** @param nanoTime the clock */
    Silence(LongSupplier nanoTime) {
        this.nanoTime = nanoTime;
        heard = nanoTime.getAsLong();
        beaten = heard;
        turned = heard;
    }

    void hear() {
        heard = nanoTime.getAsLong();
    }

    /** @param collectedMillis what the rank's process has spent on garbage collections since it began */
    void beat(long collectedMillis) {
        long now = nanoTime.getAsLong();
        if (collected < 0) {
            collectedAtTurn = collectedMillis; // what it spent before it was a rank does not count
        }
        collected = collectedMillis;
        longest = Math.max(longest, now - beaten);
        beaten = now;
        if (now - turned > MEMORY_NANOS) {
            shareBefore = share(now);
            longestBefore = longest;
            longest = 0;
            collectedAtTurn = collected;
            turned = now;
        }
    }

    /** Counts {@code nanos} as not having passed. */
    void postpone(long nanos) {
        long now = nanoTime.getAsLong();
        heard = Math.min(now, heard + nanos);
        beaten = Math.min(now, beaten + nanos);
    }

    /** When the rank was last heard. */
    long heard() {
        return heard;
    }

    /** Whether the rank has been silent for longer than it may. */
    boolean exceeds(long boundMillis) {
        return (nanoTime.getAsLong() - heard) / 1_000_000 > allowedMillis(boundMillis);
    }

    private long allowedMillis(long boundMillis) {
        long late = lateMillis();
        long most = MOST_ADDED * boundMillis;
        if (collections() > MUCH_COLLECTION) {
            return boundMillis + most;
        }
        return boundMillis + (late > boundMillis / LATE_PART ? Math.min(most, late) : 0);
    }

    private long lateMillis() {
        return Math.max(longest, longestBefore) / 1_000_000;
    }

    private double collections() {
        return Math.max(shareBefore, share(nanoTime.getAsLong()));
    }

    private double share(long now) {
        return (collected - collectedAtTurn) * 1e6 / Math.max(SHORTEST_SHARE_NANOS, now - turned);
    }

    /** "no heartbeat for 5000 ms", and what there is to say of those before. */
    String describe(long boundMillis) {
        StringBuilder text = new StringBuilder("no heartbeat for " + allowedMillis(boundMillis) + " ms");
        if (collections() > MUCH_COLLECTION) {
            text.append(String.format(
                    Locale.ROOT, ", after %.0f %% of its time in garbage collections", 100 * collections()));
        } else if (allowedMillis(boundMillis) > boundMillis) {
            text.append(", after heartbeats up to ").append(lateMillis()).append(" ms apart");
        }
        return text.toString();
    }
}
