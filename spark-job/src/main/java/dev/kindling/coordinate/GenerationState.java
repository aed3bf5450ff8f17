package dev.kindling.coordinate;

import dev.kindling.allreduce.link.Peer;
import dev.kindling.coordinate.message.DriverReply;
import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.HeapShortage;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.coordinate.message.NewestState;
import dev.kindling.coordinate.message.RankMessage;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the driver knows of the ranks of one generation. Written by messages and by Spark's listener, read by the
 * watchdog; never blocks. Times are {@code System.nanoTime()} of the driver.
 */
final class GenerationState {
    private static final Logger LOG = LoggerFactory.getLogger(GenerationState.class);
    /** How long a consequence ("lost my peer") is held back for its cause ("process killed") to become known first. */
    private static final long GRACE_MILLIS = 1_500;

    private Generation generation;
    private final Peer reducer;
    private final RankState[] ranks;
    private final NewestState newest;
    private final Watchdog watchdog;
    private final Map<String, Integer> gpus = new HashMap<>();
    private FirstCause cause;
    private FirstCause consequence;
    /** Those to which others have lost their connection. */
    private final Set<Integer> lost = new LinkedHashSet<>();

    private long consequenceAt;
    private String stopped;
    private boolean roomToGrow;
    private boolean ending;

    GenerationState(Generation generation, Limits limits, Peer reducer) {
        this.generation = generation;
        this.reducer = reducer;
        this.ranks = new RankState[generation.worldSize()];
        this.newest = new NewestState(generation.worldSize(), generation.startStep());
        this.watchdog = new Watchdog(limits, ranks);
    }

    synchronized Generation generation() {
        return generation;
    }

    /** Where the ranks begin, once all have said what they hold; empty before, and in jobs that hold nothing. */
    synchronized Optional<DriverReply.Start> start() {
        return newest.start();
    }

    /** The newest step that a rank has told of; 0 without one. */
    synchronized long newestStep() {
        return joined().mapToLong(RankState::step).reduce(generation.startStep(), Math::max);
    }

    synchronized DriverReply receive(RankMessage message) {
        int rank = message.rank();
        if (message.generation() != generation.number() || rank < 0 || rank >= ranks.length) {
            return new DriverReply.Stop(
                    "generation " + message.generation() + " is over, the driver is at " + generation.number());
        }
        RankState state = ranks[rank];
        if (state != null) {
            state.hear();
        }
        if (message instanceof RankMessage.Failed failed) {
            fail(failed, state);
        } else if (message instanceof RankMessage.Left && state != null) {
            state.leave();
        } else if (stopped != null) {
            return new DriverReply.Stop(stopped);
        } else if (message instanceof RankMessage.Join join) {
            return join(join);
        } else if (message instanceof RankMessage.Holds holds) {
            return begin(holds);
        } else if (message instanceof RankMessage.Heartbeat beat && state != null) {
            state.beat(beat);
        } else if (message instanceof RankMessage.ClaimGpu claim) {
            return claim(claim);
        } else if (message instanceof RankMessage.MayEnd) {
            ending |= roomToGrow;
            return ending ? new DriverReply.Ok() : new DriverReply.Waiting();
        }
        return new DriverReply.Ok();
    }

    private DriverReply join(RankMessage.Join join) {
        Peer peer = join.peer();
        RankState state = ranks[join.rank()];
        if (state != null && !state.peer().equals(peer)) {
            return new DriverReply.Stop(
                    peer.describe() + " comes too late: " + state.peer().describe() + " has joined");
        }
        Optional<Peer> neighbour = joined().map(RankState::peer)
                .filter(other -> other.rank() != peer.rank() && sameExecutor(other, peer))
                .findFirst();
        if (neighbour.isPresent()) {
            return new DriverReply.Refused("two ranks on one executor: "
                    + neighbour.get().describe() + " and " + peer.describe()
                    + "; set spark.task.cpus to spark.executor.cores, so that each has one of its own");
        }
        if (state == null) {
            ranks[join.rank()] = new RankState(peer);
        }
        return joined().count() < ranks.length
                ? new DriverReply.Waiting()
                : new DriverReply.Roster(joined().map(RankState::peer).toList(), reducer);
    }

    private DriverReply begin(RankMessage.Holds holds) {
        newest.add(holds.rank(), holds.state());
        newest.start().ifPresent(start -> generation = generation.startingAt(start.step()));
        return newest.start().isPresent() ? newest.start().get() : new DriverReply.Waiting();
    }

    /** In local mode, where the driver is the only executor, there is no other place for ranks. */
    private static boolean sameExecutor(Peer one, Peer other) {
        return one.executorId().equals(other.executorId()) && !one.executorId().equals("driver");
    }

    private DriverReply claim(RankMessage.ClaimGpu claim) {
        RankState state = ranks[claim.rank()];
        if (state == null) {
            return new DriverReply.Stop("rank " + claim.rank() + " has not joined generation " + generation.number());
        }
        Integer owner = gpus.putIfAbsent(claim.gpuUuid(), claim.rank());
        if (owner == null || owner == claim.rank()) {
            return new DriverReply.Ok();
        }
        return new DriverReply.Refused(
                "two ranks on one GPU: " + ranks[owner].peer().describe() + " and "
                        + state.peer().describe() + " both have " + claim.gpuUuid()
                        + "; give each executor its own GPU (spark.executor.resource.gpu.amount=1 and one worker that owns all"
                        + " GPUs of its host)");
    }

    private void fail(RankMessage.Failed failed, RankState state) {
        FirstCause named = failed.cause()
                .at(state == null ? "rank " + failed.rank() : state.peer().describe());
        if (state != null && failed.origin() != RankMessage.Failed.Origin.DEVICE) { // else with its executor
            state.leave();
        }
        switch (failed.origin()) {
            case OWN, DEVICE -> blame(named);
            case PEER -> follow(failed.lost() < 0 ? rootOf(named) : lost(failed.lost(), named));
            case STOPPED -> follow(named);
        }
    }

    private FirstCause lost(int rank, FirstCause named) {
        if (rank < ranks.length && ranks[rank] != null) {
            lost.add(rank);
        }
        return named;
    }

    private void follow(FirstCause from) {
        if (consequence == null) {
            consequence = from;
            consequenceAt = System.nanoTime();
        }
    }

    synchronized void blame(FirstCause first) {
        if (cause == null && stopped == null) {
            name(first);
        }
    }

    private void name(FirstCause first) {
        cause = first;
        LOG.warn("Generation {} fails, its first cause: {}", generation.number(), first.describe());
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
        Optional<String> shortage = HeapShortage.exit(reason);
        joined().filter(state -> state.peer().executorId().equals(executorId)).forEach(state -> {
            if (!state.hasLeft()) {
                blame(shortage.map(state::finalCause).orElseGet(() -> state.cause("its executor is gone: " + reason)));
            }
            state.leave();
        });
        watchdog.launches().forEach((rank, launch) -> {
            if (launch.executorId().equals(executorId) && ranks[rank] == null) {
                String where = "rank " + rank + " (executor " + executorId + " on " + launch.host() + ")";
                blame(new FirstCause(rank, where, "its executor is gone before it joined: " + reason, "", false));
            }
        });
        watchdog.launches().values().removeIf(launch -> launch.executorId().equals(executorId));
    }

    /** What has gone wrong so far, if anything; the watchdog's question. */
    synchronized Optional<FirstCause> problem() {
        if (cause == null
                && consequence != null
                && (allHaveLeft() || Watchdog.millisSince(consequenceAt) > GRACE_MILLIS)) {
            name(unheardOf().orElse(consequence));
        }
        if (cause == null && consequence == null) {
            Optional.ofNullable(watchdog.overdue()).ifPresent(this::name);
        }
        return Optional.ofNullable(cause);
    }

    /** Nobody is left who could tell more. */
    private boolean allHaveLeft() {
        return Arrays.stream(ranks).allMatch(state -> state != null && state.hasLeft());
    }

    /** One that others have lost and that has not said why it left, as those do that have lost one themselves. */
    private Optional<FirstCause> unheardOf() {
        return lost.stream()
                .map(rank -> ranks[rank])
                .filter(state -> !state.hasLeft())
                .findFirst()
                .map(state -> state.cause("its connections to the others have ended, in " + state.doing() + " ("
                        + consequence.describe() + ")"));
    }

    /** A rank that waited in vain is not at fault, but the one that it and perhaps others waited for. */
    private FirstCause rootOf(FirstCause waited) {
        return joined().filter(state -> !state.hasLeft())
                .min(RankState.MOST_SUSPECT_FIRST)
                .map(state -> state.cause(
                        "the others waited for it in vain, in " + state.doing() + " (" + waited.describe() + ")"))
                .orElse(waited);
    }

    /** What ranks have been waiting for, other than their peers, for longer than {@code millis}. */
    synchronized List<String> waits(long millis) {
        return joined().flatMap(state -> state.waits(millis).stream()).toList();
    }

    /** From now on every rank is told to stop. */
    synchronized void stop(String reason) {
        if (stopped == null) {
            stopped = reason;
        }
    }

    /** Whether a rank has started and not left, and may still do so: a frozen one cannot. */
    synchronized boolean someMayLeave() {
        return watchdog.launches().keySet().stream().anyMatch(rank -> ranks[rank] == null) || someBeat();
    }

    /** Whether a rank has joined and not left, and its heart beats. */
    synchronized boolean someBeat() {
        return joined().anyMatch(state -> !state.hasLeft() && !watchdog.isSilent(state));
    }

    /** The executors whose ranks have started and not left. */
    synchronized List<String> executorsNotLeft() {
        Stream<String> joined = joined().filter(state -> !state.hasLeft())
                .map(state -> state.peer().executorId());
        Stream<String> launched = watchdog.launches().entrySet().stream()
                .filter(launch -> ranks[launch.getKey()] == null)
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
        return Arrays.stream(ranks).filter(Objects::nonNull);
    }
}
