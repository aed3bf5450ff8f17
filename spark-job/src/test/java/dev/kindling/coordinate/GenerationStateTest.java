package dev.kindling.coordinate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.allreduce.link.Peer;
import dev.kindling.coordinate.message.DriverReply;
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
}
