package dev.kindling.coordinate;

import dev.kindling.allreduce.link.Peer;
import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.RankMessage;
import java.util.Comparator;
import java.util.Locale;
import java.util.Optional;

/** What the driver knows of one rank that has joined. Guarded by its {@link GenerationState}; times are the driver's nanoTime. */
final class RankState {
    /**
     * The rank to look at first when nothing moves: one that does not wait for its peers before those that do, then
     * the one that is furthest behind.
     */
    static final Comparator<RankState> MOST_SUSPECT_FIRST = Comparator.comparing((RankState state) -> state.waiting)
            .thenComparingLong(state -> state.step)
            .thenComparingLong(state -> state.moved);

    /** How the name of a stage begins in which a rank waits for something else than its peers. */
    private static final String WAIT = "waiting for ";

    private final Peer peer;
    private final Silence silence = new Silence(System::nanoTime);
    private long moved = System.nanoTime();
    private long moves = -1;
    private long step = -1;
    private String stage = "start";
    private boolean waiting;
    private boolean left;

    RankState(Peer peer) {
        this.peer = peer;
    }

    Peer peer() {
        return peer;
    }

    void hear() {
        silence.hear();
    }

    /** Counts {@code nanos} as not having passed: all times move on by them, though not beyond now. */
    void postpone(long nanos) {
        silence.postpone(nanos);
        moved = Math.min(System.nanoTime(), moved + nanos);
    }

    void beat(RankMessage.Heartbeat beat) {
        silence.beat(beat.collectedMillis());
        if (beat.moves() != moves) {
            moved = System.nanoTime();
            moves = beat.moves();
        }
        step = beat.step();
        stage = beat.stage();
        waiting = beat.waiting();
    }

    void leave() {
        left = true;
    }

    boolean hasLeft() {
        return left;
    }

    Silence silence() {
        return silence;
    }

    long moved() {
        return moved;
    }

    /** The last one done; -1 before the first. */
    long step() {
        return step;
    }

    boolean beforeFirstStep() {
        return step < 0;
    }

    /** "stage 'checkpoint', after step 12". */
    String doing() {
        return "stage '" + stage + "'" + (waiting ? ", waiting for its peers" : "") + ", "
                + (beforeFirstStep() ? "before its first step" : "after step " + step);
    }

    /** What it has been waiting for, other than its peers, for longer than {@code millis}. */
    Optional<String> waits(long millis) {
        return left || !stage.startsWith(WAIT) || Watchdog.millisSince(moved) < millis
                ? Optional.empty()
                : Optional.of(String.format(
                        Locale.ROOT,
                        "%s has been %s for %d s",
                        peer.describe(),
                        stage,
                        Watchdog.millisSince(moved) / 1000));
    }

    FirstCause cause(String what) {
        return new FirstCause(peer.rank(), peer.describe(), what, "", false);
    }

    /** One that another attempt would meet again. */
    FirstCause finalCause(String what) {
        return new FirstCause(peer.rank(), peer.describe(), what, "", true);
    }
}
