package dev.kindling.coordinate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.allreduce.link.Peer;
import dev.kindling.coordinate.message.DriverReply;
import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.coordinate.message.RankMessage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class GenerationStateTest {
    private static final Limits LIMITS = new Limits(20_000, 20_000, 20_000, 20_000, 20_000, 10_000, 100, 1_000, 1_000);

    private final GenerationState state =
            new GenerationState(new Generation(1, 2, 0, 1), LIMITS, new Peer(-1, "", 0, "driver", ""));

    private static Peer peer(int rank) {
        return new Peer(rank, "node" + rank, 7077, "executor-" + rank, "");
    }

    @Test
    void anExecutorThatDiesBeforeItsRankHasJoinedIsNamed() {
        state.receive(new RankMessage.Join(1, 0, peer(0)));
        state.launched(0, "executor-0", "node0");
        state.launched(1, "executor-1", "node1");
        state.executorLost("executor-1", "Command exited with code 137");
        assertThat(state.problem().orElseThrow().describe())
                .isEqualTo(
                        "rank 1 (executor executor-1 on node1): its executor is gone before it joined: Command exited"
                                + " with code 137");
    }

    @Test
    void twoRanksOnOneExecutorAreRefusedAndALateComerIsStopped() {
        state.receive(new RankMessage.Join(1, 0, peer(0)));
        Peer neighbour = new Peer(1, "node0", 7078, "executor-0", "");
        assertThat(state.receive(new RankMessage.Join(1, 1, neighbour)))
                .isInstanceOfSatisfying(
                        DriverReply.Refused.class,
                        refused -> assertThat(refused.reason())
                                .contains("two ranks on one executor: rank 0 ", "rank 1 ", "spark.task.cpus"));
        Peer late = new Peer(0, "node9", 7079, "executor-9", "");
        assertThat(state.receive(new RankMessage.Join(1, 0, late)))
                .isInstanceOfSatisfying(
                        DriverReply.Stop.class,
                        stop -> assertThat(stop.reason()).contains("executor-9", "comes too late"));
        assertThat(state.receive(new RankMessage.Join(1, 1, peer(1)))).isInstanceOf(DriverReply.Roster.class);
    }

    /** A laptop that slept, a driver under SIGSTOP, a long collection: what ranks sent meanwhile is still to be read. */
    @Test
    void aDriverThatSleptBlamesNobodyForIt() throws InterruptedException {
        state.receive(new RankMessage.Join(1, 0, peer(0)));
        state.receive(new RankMessage.Join(1, 1, peer(1)));
        assertThat(state.problem()).isEmpty();
        Thread.sleep(2 * LIMITS.silence());
        assertThat(state.problem()).isEmpty();
        long woke = System.nanoTime();
        while (state.problem().isEmpty()) {
            Thread.sleep(20);
        }
        assertThat(Watchdog.millisSince(woke)).isGreaterThan(LIMITS.silence() / 2);
        assertThat(state.problem().orElseThrow().what()).contains("no heartbeat for 1000 ms");
    }

    private RankMessage.Failed lost(int rank, int peer) {
        FirstCause cause = new FirstCause(rank, "", "rank " + peer + " is lost: its connection closed", "", false);
        return new RankMessage.Failed(1, rank, cause, RankMessage.Failed.Origin.PEER, peer);
    }

    private void join(int ranks) {
        for (int rank = 0; rank < ranks; rank++) {
            state.receive(new RankMessage.Join(1, rank, peer(rank)));
        }
    }

    /** Rank 0 waits and rank 1 works, by what is known last; the connection tells better who is gone. */
    @Test
    void aPeerWhoseConnectionsHaveEndedIsNamedWithinTwoSecondsWhereSparkSaysNothing() throws InterruptedException {
        GenerationState three =
                new GenerationState(new Generation(1, 3, 0, 1), Limits.standard(), new Peer(-1, "", 0, "driver", ""));
        for (int rank = 0; rank < 3; rank++) {
            three.receive(new RankMessage.Join(1, rank, peer(rank)));
        }
        three.receive(new RankMessage.Heartbeat(1, 1, 7, "training", 7, true, 0));
        three.receive(lost(0, 1));
        long told = System.nanoTime();
        while (three.problem().isEmpty()) {
            Thread.sleep(20);
        }
        assertThat(Watchdog.millisSince(told)).isGreaterThan(1_000);
        assertThat(three.problem().orElseThrow().describe())
                .isEqualTo("rank 1 (executor executor-1 on node1): its connections to the others have ended, in stage"
                        + " 'training', waiting for its peers, after step 7 (rank 0 (executor executor-0 on node0): rank 1 is"
                        + " lost: its connection closed)");
    }

    /** A rank that has lost a peer leaves, and the others lose it in turn. */
    @Test
    void whenAllRanksHaveSaidWhomTheyLostTheFirstWordIsTheCauseAtOnce() {
        join(2);
        state.receive(lost(0, 1));
        assertThat(state.problem()).isEmpty();
        state.receive(lost(1, 0));
        assertThat(state.problem().orElseThrow().describe())
                .isEqualTo("rank 0 (executor executor-0 on node0): rank 1 is lost: its connection closed");
    }
}
