package dev.kindling.coordinate;

import dev.kindling.allreduce.Peer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * What the driver knows of the ranks of one generation. Written by messages and by Spark's listener, read by the
 * watchdog; never blocks. Times are {@code System.nanoTime()} of the driver.
 */
final class Board {
    /** How long a consequence ("lost my peer") waits for its cause ("process killed") to become known. */
    private static final long GRACE_MILLIS = 2_000;

    private static final class Seat {
        private final Peer peer;
        private long heard = System.nanoTime();
        private long moved = heard;
        private long step = -1;
        private String stage = "start";
        private boolean left;

        Seat(Peer peer) {
            this.peer = peer;
        }
    }

    private final Generation generation;
    private final Limits limits;
    private final Peer reducer;
    private final Seat[] seats;
    private final Map<String, Integer> gpus = new HashMap<>();
    private final long opened = System.nanoTime();
    private FirstCause cause;
    private FirstCause consequence;
    private long consequenceAt;
    private String stopped;

    Board(Generation generation, Limits limits, Peer reducer) {
        this.generation = generation;
        this.limits = limits;
        this.reducer = reducer;
        this.seats = new Seat[generation.worldSize()];
    }

    Generation generation() {
        return generation;
    }

    synchronized Reply receive(Message message) {
        int rank = message.rank();
        if (message.generation() != generation.number() || rank < 0 || rank >= seats.length) {
            return new Reply.Stop(
                    "generation " + message.generation() + " is over, the driver is at " + generation.number());
        }
        Seat seat = seats[rank];
        if (seat != null) {
            seat.heard = System.nanoTime();
        }
        if (message instanceof Message.Failed failed) {
            fail(failed, seat);
        } else if (message instanceof Message.Left && seat != null) {
            seat.left = true;
        } else if (stopped != null) {
            return new Reply.Stop(stopped);
        } else if (message instanceof Message.Join join) {
            return join(join);
        } else if (message instanceof Message.Heartbeat beat && seat != null) {
            if (beat.step() != seat.step || !beat.stage().equals(seat.stage)) {
                seat.moved = System.nanoTime();
                seat.step = beat.step();
                seat.stage = beat.stage();
            }
        } else if (message instanceof Message.Claim claim) {
            return claim(claim);
        }
        return new Reply.Ok();
    }

    private Reply join(Message.Join join) {
        Seat seat = seats[join.rank()];
        if (seat == null) {
            seats[join.rank()] = new Seat(join.peer());
        } else if (!seat.peer.equals(join.peer())) {
            return new Reply.Refused(join.peer().describe() + " is taken by " + seat.peer.describe());
        }
        if (joined() < seats.length) {
            return new Reply.Waiting();
        }
        return new Reply.Roster(
                new ArrayList<>(Arrays.stream(seats).map(s -> s.peer).toList()), reducer);
    }

    private Reply claim(Message.Claim claim) {
        Integer owner = gpus.putIfAbsent(claim.gpuUuid(), claim.rank());
        if (owner == null || owner == claim.rank()) {
            return new Reply.Ok();
        }
        return new Reply.Refused("two ranks on one GPU: " + seats[owner].peer.describe() + " and "
                + seats[claim.rank()].peer.describe() + " both have " + claim.gpuUuid()
                + "; give each executor its own GPU (spark.executor.resource.gpu.amount=1 and one worker that owns all"
                + " GPUs of its host)");
    }

    private void fail(Message.Failed failed, Seat seat) {
        FirstCause named = new FirstCause(
                failed.rank(),
                seat == null ? "rank " + failed.rank() : seat.peer.describe(),
                failed.cause().what(),
                failed.cause().stack(),
                failed.cause().fatal());
        if (seat != null) {
            seat.left = true;
        }
        if (!failed.secondary()) {
            blame(named);
        } else if (consequence == null) {
            consequence = named;
            consequenceAt = System.nanoTime();
        }
    }

    synchronized void blame(FirstCause first) {
        if (cause == null && stopped == null) {
            cause = first;
        }
    }

    synchronized void executorLost(String executorId, String reason) {
        for (Seat seat : seats) {
            if (seat != null && seat.peer.executorId().equals(executorId)) {
                if (!seat.left) {
                    blame(new FirstCause(
                            seat.peer.rank(), seat.peer.describe(), "its executor is gone: " + reason, "", false));
                }
                seat.left = true;
            }
        }
    }

    /** What has gone wrong so far, if anything; the watchdog's question. */
    synchronized Optional<FirstCause> problem() {
        if (cause == null && consequence != null && millisSince(consequenceAt) > GRACE_MILLIS) {
            cause = consequence;
        }
        if (cause == null && consequence == null) {
            cause = overdue();
        }
        return Optional.ofNullable(cause);
    }

    private FirstCause overdue() {
        if (joined() < seats.length) {
            return millisSince(opened) <= limits.rendezvous() ? null : notJoined();
        }
        long lastJoin = Arrays.stream(seats).mapToLong(s -> s.moved).max().orElse(opened);
        for (Seat seat : seats) {
            if (seat.left) {
                continue;
            }
            boolean first = seat.step < 0;
            long bound = first ? limits.firstStep() : limits.step();
            if (millisSince(seat.heard) > limits.silence()) {
                return watchdog(
                        seat,
                        "no heartbeat for " + limits.silence()
                                + " ms: its process is frozen, killed, or cut off from the driver");
            }
            // A rank that waits for a slower one is not the one to blame: the slowest has moved least recently.
            boolean slowest = Arrays.stream(seats).noneMatch(s -> !s.left && s.moved < seat.moved);
            if (slowest && millisSince(first ? Math.max(seat.moved, lastJoin) : seat.moved) > bound) {
                return watchdog(
                        seat,
                        "no progress for " + bound + " ms in stage '" + seat.stage + "', "
                                + (first ? "before its first step" : "after step " + seat.step));
            }
        }
        return null;
    }

    private FirstCause notJoined() {
        String missing = missingRanks();
        return new FirstCause(
                -1,
                "",
                "rendezvous: rank(s) " + missing + " of " + seats.length + " did not join within " + limits.rendezvous()
                        + " ms after the job was submitted; the executors may be busy or unable to start - see the"
                        + " cluster's page for pending executors",
                "",
                false);
    }

    private String missingRanks() {
        List<String> missing = new ArrayList<>();
        for (int r = 0; r < seats.length; r++) {
            if (seats[r] == null) {
                missing.add(String.valueOf(r));
            }
        }
        return missing.stream().collect(Collectors.joining(", "));
    }

    private static FirstCause watchdog(Seat seat, String what) {
        return new FirstCause(seat.peer.rank(), seat.peer.describe(), what, "", false);
    }

    /** From now on every rank is told to stop. */
    synchronized void stop(String reason) {
        if (stopped == null) {
            stopped = reason;
        }
    }

    /** The executors whose ranks have joined and not left. */
    synchronized List<String> stayers() {
        return Arrays.stream(seats)
                .filter(s -> s != null && !s.left)
                .map(s -> s.peer.executorId())
                .distinct()
                .toList();
    }

    /** The smallest step that every rank has reached; -1 before the first. */
    synchronized long stepOfAll() {
        return Arrays.stream(seats)
                .mapToLong(s -> s == null ? -1 : s.step)
                .min()
                .orElse(-1);
    }

    private int joined() {
        return (int) Arrays.stream(seats).filter(s -> s != null).count();
    }

    private static long millisSince(long nanos) {
        return (System.nanoTime() - nanos) / 1_000_000;
    }
}
