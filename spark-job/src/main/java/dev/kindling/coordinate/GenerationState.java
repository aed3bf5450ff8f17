package dev.kindling.coordinate;

import dev.kindling.allreduce.link.Peer;
import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.coordinate.message.Message;
import dev.kindling.coordinate.message.Reply;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What the driver knows of the ranks of one generation. Written by messages and by Spark's listener, read by the
 * watchdog; never blocks. Times are {@code System.nanoTime()} of the driver.
 */
final class GenerationState {
    /** How long a consequence ("lost my peer") waits for its cause ("process killed") to become known. */
    private static final long GRACE_MILLIS = 2_000;

    private final Generation generation;
    private final Peer reducer;
    private final RankState[] seats;
    private final Watchdog watchdog;
    private final Map<String, Integer> gpus = new HashMap<>();
    private FirstCause cause;
    private FirstCause consequence;
    private long consequenceAt;
    private String stopped;
    private boolean roomToGrow;
    private boolean ending;

    GenerationState(Generation generation, Limits limits, Peer reducer) {
        this.generation = generation;
        this.reducer = reducer;
        this.seats = new RankState[generation.worldSize()];
        this.watchdog = new Watchdog(limits, seats);
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
        RankState seat = seats[rank];
        if (seat != null) {
            seat.hear();
        }
        if (message instanceof Message.Failed failed) {
            fail(failed, seat);
        } else if (message instanceof Message.Left && seat != null) {
            seat.leave();
        } else if (stopped != null) {
            return new Reply.Stop(stopped);
        } else if (message instanceof Message.Join join) {
            return join(join);
        } else if (message instanceof Message.Heartbeat beat && seat != null) {
            seat.beat(beat);
        } else if (message instanceof Message.Claim claim) {
            return claim(claim);
        } else if (message instanceof Message.MayEnd) {
            ending |= roomToGrow;
            return ending ? new Reply.Ok() : new Reply.Waiting();
        }
        return new Reply.Ok();
    }

    private Reply join(Message.Join join) {
        RankState seat = seats[join.rank()];
        if (seat == null) {
            seats[join.rank()] = new RankState(join.peer());
        } else if (!seat.peer().equals(join.peer())) {
            return new Reply.Refused(
                    join.peer().describe() + " is taken by " + seat.peer().describe());
        }
        if (joined().count() < seats.length) {
            return new Reply.Waiting();
        }
        return new Reply.Roster(new ArrayList<>(joined().map(RankState::peer).toList()), reducer);
    }

    private Reply claim(Message.Claim claim) {
        Integer owner = gpus.putIfAbsent(claim.gpuUuid(), claim.rank());
        if (owner == null || owner == claim.rank()) {
            return new Reply.Ok();
        }
        return new Reply.Refused("two ranks on one GPU: " + seats[owner].peer().describe() + " and "
                + seats[claim.rank()].peer().describe() + " both have " + claim.gpuUuid()
                + "; give each executor its own GPU (spark.executor.resource.gpu.amount=1 and one worker that owns all"
                + " GPUs of its host)");
    }

    private void fail(Message.Failed failed, RankState seat) {
        FirstCause named = new FirstCause(
                failed.rank(),
                seat == null ? "rank " + failed.rank() : seat.peer().describe(),
                failed.cause().what(),
                failed.cause().stack(),
                failed.cause().fatal());
        if (seat != null) {
            seat.leave();
        }
        if (failed.kind() == Message.Failed.Kind.OWN) {
            blame(named);
        } else if (consequence == null) {
            consequence = failed.kind() == Message.Failed.Kind.PEER ? rootOf(named) : named;
            consequenceAt = System.nanoTime();
        }
    }

    synchronized void blame(FirstCause first) {
        if (cause == null && stopped == null) {
            cause = first;
        }
    }

    /** Spark has sent the task of a rank to an executor. */
    synchronized void launched(int rank, String executorId, String host) {
        watchdog.launches().put(rank, new Watchdog.Launch(executorId, host));
    }

    /** The task of a rank has ended, well or not. */
    synchronized void ended(int rank) {
        watchdog.launches().remove(rank);
    }

    synchronized void executorLost(String executorId, String reason) {
        joined().filter(seat -> seat.peer().executorId().equals(executorId)).forEach(seat -> {
            if (!seat.hasLeft()) {
                blame(seat.blame("its executor is gone: " + reason));
            }
            seat.leave();
        });
        watchdog.launches().forEach((rank, launch) -> {
            if (launch.executorId().equals(executorId) && seats[rank] == null) {
                String where = "rank " + rank + " (executor " + executorId + " on " + launch.host() + ")";
                blame(new FirstCause(rank, where, "its executor is gone before it joined: " + reason, "", false));
            }
        });
        watchdog.launches().values().removeIf(launch -> launch.executorId().equals(executorId));
    }

    /** What has gone wrong so far, if anything; the watchdog's question. */
    synchronized Optional<FirstCause> problem() {
        if (cause == null && consequence != null && Watchdog.millisSince(consequenceAt) > GRACE_MILLIS) {
            cause = consequence;
        }
        if (cause == null && consequence == null) {
            cause = watchdog.overdue();
        }
        return Optional.ofNullable(cause);
    }

    /** A rank that waited in vain is not at fault, but the one that it and perhaps others waited for. */
    private FirstCause rootOf(FirstCause waited) {
        return joined().filter(seat -> !seat.hasLeft())
                .min(RankState.SUSPICION)
                .map(seat -> seat.blame(
                        "the others waited for it in vain, in " + seat.doing() + " (" + waited.describe() + ")"))
                .orElse(waited);
    }

    /** From now on every rank is told to stop. */
    synchronized void stop(String reason) {
        if (stopped == null) {
            stopped = reason;
        }
    }

    /** Whether a rank has started and not left, and may still do so: a frozen one cannot. */
    synchronized boolean someMayLeave() {
        return watchdog.launches().keySet().stream().anyMatch(rank -> seats[rank] == null)
                || joined().anyMatch(seat -> !seat.hasLeft() && !watchdog.isSilent(seat));
    }

    /** The executors whose ranks have started and not left. */
    synchronized List<String> stayers() {
        Stream<String> joined =
                joined().filter(seat -> !seat.hasLeft()).map(seat -> seat.peer().executorId());
        Stream<String> launched = watchdog.launches().entrySet().stream()
                .filter(launch -> seats[launch.getKey()] == null)
                .map(launch -> launch.getValue().executorId());
        return Stream.concat(joined, launched).distinct().toList();
    }

    /** Whether the cluster now has room for more ranks than this generation has. */
    synchronized void room(boolean more) {
        roomToGrow = more;
    }

    /** Whether the ranks were told to end at a checkpoint, because there was room for more of them. */
    synchronized boolean ending() {
        return ending;
    }

    private Stream<RankState> joined() {
        return Arrays.stream(seats).filter(Objects::nonNull);
    }
}
