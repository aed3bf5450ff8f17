package dev.kindling.coordinate;

import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.Limits;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Whether a stage has outlasted its bound, and who is at fault. Guarded by its {@link GenerationState}. */
final class Watchdog {
    /** It is asked every 50 ms; when that takes as long as this, the driver itself stood still. */
    private static final long OWN_DELAY_NANOS = 500_000_000L;

    private final Limits limits;
    private final RankState[] ranks;
    private long opened = System.nanoTime();
    private long looked = opened;
    /** The tasks that Spark has sent to an executor and that have not ended, by rank. */
    private final Map<Integer, Launch> launches = new TreeMap<>();

    /** Where Spark has started the task of a rank. */
    record Launch(String executorId, String host) {}

    Watchdog(Limits limits, RankState[] ranks) {
        this.limits = limits;
        this.ranks = ranks;
    }

    Map<Integer, Launch> launches() {
        return launches;
    }

    /** What is overdue; null while all is well. */
    FirstCause overdue() {
        excuseOwnSleep();
        if (Arrays.stream(ranks).anyMatch(state -> state == null)) {
            return millisSince(opened) <= limits.rendezvous() ? null : notJoined();
        }
        for (RankState state : ranks) {
            if (!state.hasLeft() && isSilent(state)) {
                return state.cause(state.silence().describe(limits.silence())
                        + ": its process is frozen, killed, or cut off from the driver");
            }
        }
        return Arrays.stream(ranks)
                .filter(state -> !state.hasLeft())
                .min(RankState.MOST_SUSPECT_FIRST)
                .map(this::stalled)
                .orElseGet(this::undelivered);
    }

    /**
     * What ranks sent while this process was stopped, starved or collected garbage has not been read yet: that time counts
     * against nobody.
     */
    private void excuseOwnSleep() {
        long now = System.nanoTime();
        long slept = now - looked;
        looked = now;
        if (slept > OWN_DELAY_NANOS) {
            opened += slept;
            Arrays.stream(ranks).filter(Objects::nonNull).forEach(state -> state.postpone(slept));
        }
    }

    boolean isSilent(RankState state) {
        return state.silence().exceeds(limits.silence());
    }

    private FirstCause stalled(RankState state) {
        long bound = state.beforeFirstStep() ? limits.firstStep() : limits.step();
        long since = state.beforeFirstStep() ? Math.max(state.moved(), lastMove()) : state.moved();
        return millisSince(since) <= bound
                ? null
                : state.cause("no progress for " + bound + " ms in " + state.doing()
                        + "; its code hangs, or the stage needs longer than "
                        + (state.beforeFirstStep() ? Limits.FIRST_STEP : Limits.STEP));
    }

    /** Every rank has said that it is done: the job's end is Spark's to tell. */
    private FirstCause undelivered() {
        long silent = Arrays.stream(ranks)
                .mapToLong(state -> state.silence().heard())
                .max()
                .orElse(opened);
        return millisSince(silent) <= limits.rendezvous()
                ? null
                : new FirstCause(
                        -1,
                        "",
                        "all ranks are done, but Spark has not delivered their result within " + limits.rendezvous()
                                + " ms",
                        "",
                        false);
    }

    private long lastMove() {
        return Arrays.stream(ranks).mapToLong(RankState::moved).max().orElse(opened);
    }

    private FirstCause notJoined() {
        Map<Integer, String> missing = new TreeMap<>();
        for (int rank = 0; rank < ranks.length; rank++) {
            if (ranks[rank] == null) {
                Launch launch = launches.get(rank);
                missing.put(
                        rank,
                        launch == null
                                ? rank + " (Spark has not started its task)"
                                : rank + " (its task was sent to executor " + launch.executorId() + " on "
                                        + launch.host() + ")");
            }
        }
        String what = "rendezvous: rank(s) " + missing.values().stream().collect(Collectors.joining(", ")) + " of "
                + ranks.length + " did not join within " + limits.rendezvous()
                + " ms after the job was submitted; the executors may be frozen, busy or unable to start - see the"
                + " cluster's page, and " + Limits.RENDEZVOUS + " for the bound";
        int rank = missing.size() == 1 ? missing.keySet().iterator().next() : -1;
        return new FirstCause(rank, "", what, "", false);
    }

    static long millisSince(long nanos) {
        return (System.nanoTime() - nanos) / 1_000_000;
    }
}
