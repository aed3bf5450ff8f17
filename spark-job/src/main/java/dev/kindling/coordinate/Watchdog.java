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
    private final Limits limits;
    private final RankState[] seats;
    private long opened = System.nanoTime();
    private long looked = opened;
    /** The tasks that Spark has sent to an executor and that have not ended, by rank. */
    private final Map<Integer, Launch> launches = new TreeMap<>();

    /** Where Spark has started the task of a rank. */
    record Launch(String executorId, String host) {}

    Watchdog(Limits limits, RankState[] seats) {
        this.limits = limits;
        this.seats = seats;
    }

    Map<Integer, Launch> launches() {
        return launches;
    }

    /** What is overdue; null while all is well. */
    FirstCause overdue() {
        excuseOwnSleep();
        if (Arrays.stream(seats).anyMatch(seat -> seat == null)) {
            return millisSince(opened) <= limits.rendezvous() ? null : notJoined();
        }
        for (RankState seat : seats) {
            if (!seat.hasLeft() && isSilent(seat)) {
                return seat.blame("no heartbeat for " + limits.silence()
                        + " ms: its process is frozen, killed, or cut off from the driver");
            }
        }
        return Arrays.stream(seats)
                .filter(seat -> !seat.hasLeft())
                .min(RankState.SUSPICION)
                .map(this::stalled)
                .orElseGet(this::undelivered);
    }

    /** What ranks sent while this process was stopped has not been read yet: that time counts against nobody. */
    private void excuseOwnSleep() {
        long now = System.nanoTime();
        long slept = now - looked;
        looked = now;
        if (slept > limits.silence() * 1_000_000L / 2) {
            opened += slept;
            Arrays.stream(seats).filter(Objects::nonNull).forEach(seat -> seat.excuse(slept));
        }
    }

    boolean isSilent(RankState seat) {
        return millisSince(seat.heard()) > limits.silence();
    }

    private FirstCause stalled(RankState seat) {
        long bound = seat.beforeFirstStep() ? limits.firstStep() : limits.step();
        long since = seat.beforeFirstStep() ? Math.max(seat.moved(), lastMove()) : seat.moved();
        return millisSince(since) <= bound
                ? null
                : seat.blame("no progress for " + bound + " ms in " + seat.doing()
                        + "; its code hangs, or the stage needs longer than "
                        + (seat.beforeFirstStep() ? Limits.FIRST_STEP : Limits.STEP));
    }

    /** Every rank has said that it is done: the job's end is Spark's to tell. */
    private FirstCause undelivered() {
        long silent = Arrays.stream(seats).mapToLong(RankState::heard).max().orElse(opened);
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
        return Arrays.stream(seats).mapToLong(RankState::moved).max().orElse(opened);
    }

    private FirstCause notJoined() {
        Map<Integer, String> missing = new TreeMap<>();
        for (int rank = 0; rank < seats.length; rank++) {
            if (seats[rank] == null) {
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
                + seats.length + " did not join within " + limits.rendezvous()
                + " ms after the job was submitted; the executors may be frozen, busy or unable to start - see the"
                + " cluster's page, and " + Limits.RENDEZVOUS + " for the bound";
        int rank = missing.size() == 1 ? missing.keySet().iterator().next() : -1;
        return new FirstCause(rank, "", what, "", false);
    }

    static long millisSince(long nanos) {
        return (System.nanoTime() - nanos) / 1_000_000;
    }
}
