package dev.kindling.coordinate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.Limits;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.Timeout;

/** Executors that are killed, frozen and come back: the next generation has the bits of an undisturbed one. */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@Timeout(90)
class RecoveryTest {
    private static EmbeddedCluster cluster;
    private static byte[] undisturbed;

    /** An executor takes tasks only some time after it has registered; those that have run one can be frozen. */
    @BeforeAll
    static void startAndTrainUndisturbed() {
        cluster = new EmbeddedCluster(3, Map.of());
        Store store = new Store(-1, "");
        undisturbed = cluster.run(
                        GenerationsTest.plan(3, Transport.RING), RecoveryTest::training, store, store.committed::get)
                .result();
    }

    @AfterAll
    static void stop() {
        cluster.close();
    }

    /** Steps 0..39; rank 0 commits every 5; the sum of step s on 3 ranks decides the next state. */
    private static byte[] training(RankSession member, AllReduce allReduce) throws Exception {
        float[] state = new float[257];
        if (member.startStep() > 0) {
            ByteBuffer.wrap(member.request("load", new byte[0])).asFloatBuffer().get(state);
        }
        for (long step = member.startStep(); step < 40; step++) {
            oneStep(member, allReduce, state, step);
            if (member.rank() == 0 && step % 5 == 4) {
                ByteBuffer snapshot = ByteBuffer.allocate(8 + 4 * state.length).putLong(step + 1);
                snapshot.asFloatBuffer().put(state);
                member.request("commit", snapshot.array());
            }
            member.stepReached(step);
            Thread.sleep(20);
        }
        ByteBuffer result = ByteBuffer.allocate(4 * state.length);
        result.asFloatBuffer().put(state);
        return result.array();
    }

    private static void oneStep(RankSession member, AllReduce allReduce, float[] state, long step) {
        float[] gradient = Collectives.values((int) (member.rank() + 3 * step), state.length);
        allReduce.mean(gradient, 0, gradient.length);
        for (int i = 0; i < state.length; i++) {
            state[i] = 0.9f * state[i] + gradient[i];
        }
        ByteBuffer report = ByteBuffer.allocate(16).putLong(step);
        member.report("step", report.putLong(ProcessHandle.current().pid()).array());
        member.flushReports(); // a fault strikes at its step
    }

    private static final class Store implements RequestHandler {
        private final AtomicLong committed = new AtomicLong();
        private final long faultAt;
        private final String signal;
        private byte[] state = new byte[0];

        Store(long faultAt, String signal) {
            this.faultAt = faultAt;
            this.signal = signal;
        }

        @Override
        public byte[] handle(Generation generation, int rank, String topic, byte[] payload) throws Exception {
            ByteBuffer in = ByteBuffer.wrap(payload);
            if (topic.equals("commit")) {
                committed.set(in.getLong());
                state = new byte[in.remaining()];
                in.get(state);
            } else if (topic.equals("step") && generation.number() == 1 && rank == 1 && in.getLong() == faultAt) {
                new ProcessBuilder("kill", signal, String.valueOf(in.getLong()))
                        .start()
                        .waitFor();
            }
            return topic.equals("load") ? state : null;
        }
    }

    @Order(1)
    @Test
    void killedExecutorLeadsToTheSameBitsFromTheLastCommit() {
        Store store = new Store(13, "-KILL");
        GenerationsResult outcome = cluster.run(
                GenerationsTest.plan(3, Transport.RING), RecoveryTest::training, store, store.committed::get);
        assertThat(outcome.generations()).hasSize(2);
        assertThat(outcome.generations().get(1).startStep()).isEqualTo(10);
        assertThat(outcome.failures().get(0).describe())
                .contains("rank 1 (executor ")
                .contains("its executor is gone");
        assertThat(outcome.result()).isEqualTo(undisturbed);
    }

    @Order(2)
    @Test
    void frozenExecutorIsFoundBySilence() {
        Store store = new Store(7, "-STOP");
        GenerationsResult outcome = cluster.run(
                GenerationsTest.plan(3, Transport.DRIVER), RecoveryTest::training, store, store.committed::get);
        assertThat(outcome.generations()).hasSize(2);
        assertThat(outcome.failures().get(0).describe())
                .contains("rank 1 (executor ")
                .contains("no heartbeat");
        assertThat(outcome.result()).isEqualTo(undisturbed);
    }

    /** As {@link #training}, but rank 1 fails at step 13 of the first generation. */
    private static byte[] trainingWithAnError(RankSession member, AllReduce allReduce) throws Exception {
        if (member.generation().number() == 1 && member.rank() == 1) {
            for (int step = 0; step < 13; step++) {
                oneStep(member, allReduce, new float[257], step);
            }
            throw new java.io.EOFException("the shard ends at token 7");
        }
        return training(member, allReduce);
    }

    @Order(3)
    @Test
    void anExceptionOfOneRankIsNamedAndTheNextGenerationHasTheSameBits() {
        Store store = new Store(-1, "");
        GenerationsResult outcome = cluster.run(
                GenerationsTest.plan(3, Transport.RING),
                RecoveryTest::trainingWithAnError,
                store,
                store.committed::get);
        assertThat(outcome.generations()).extracting(Generation::startStep).containsExactly(0L, 10L);
        assertThat(outcome.failures().get(0).describe())
                .startsWith("rank 1 (executor ")
                .endsWith("): java.io.EOFException: the shard ends at token 7");
        assertThat(outcome.result()).isEqualTo(undisturbed);
    }

    /** First, while no other process is frozen. */
    @Order(0)
    @Test
    void aRankThatNeverStartsIsNamedAndItsExecutorReplaced() throws Exception {
        ProcessHandle frozen = ProcessHandle.current()
                .descendants()
                .filter(process -> process.info().arguments().stream()
                        .flatMap(java.util.stream.Stream::of)
                        .anyMatch(argument -> argument.contains("CoarseGrainedExecutorBackend")))
                .findFirst()
                .orElseThrow();
        new ProcessBuilder("kill", "-STOP", "" + frozen.pid()).start().waitFor();
        Limits hurried = new Limits(30_000, 3_000, 20_000, 10_000, 15_000, 10_000, 100, 4_000, 1_000);
        Store store = new Store(-1, "");
        long begin = System.nanoTime();
        GenerationsResult outcome = cluster.run(
                new GenerationPlan(3, 3, Transport.RING, 2_000_000, 2, hurried),
                RecoveryTest::training,
                store,
                store.committed::get);
        assertThat(outcome.failures()).hasSize(1);
        assertThat(outcome.failures().get(0).describe())
                .contains("rendezvous: rank(s) ")
                .contains("its task was sent to executor ")
                .contains("did not join within 3000 ms");
        assertThat(outcome.result()).isEqualTo(undisturbed);
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(45));
    }

    @Order(5)
    @Test
    void whenExecutorsComeBackTheGenerationEndsAtACheckpointAndMoreRanksGoOn() {
        Limits hurried = new Limits(500, 20_000, 20_000, 10_000, 15_000, 10_000, 100, 4_000, 3_000);
        AtomicLong committed = new AtomicLong();
        RequestHandler commits = (generation, rank, topic, payload) -> {
            committed.set(ByteBuffer.wrap(payload).getLong());
            return null;
        };
        GenerationsResult outcome = cluster.run(
                new GenerationPlan(3, 2, Transport.RING, 2_000_000, 2, hurried),
                (member, allReduce) -> {
                    for (long step = member.startStep() + 1;
                            (step <= 2000 && member.worldSize() < 3) || step <= 20;
                            step++) {
                        if (member.generation().number() == 1 && member.rank() == 2 && step == 7) {
                            Runtime.getRuntime().halt(9);
                        }
                        allReduce.barrier();
                        member.stepReached(step);
                        Thread.sleep(10);
                        if (step % 5 == 0) {
                            boolean end = member.worldSize() < 3 && member.rank() == 0 && member.mayEnd();
                            if (member.rank() == 0) {
                                member.request(
                                        "commit",
                                        ByteBuffer.allocate(8).putLong(step).array());
                            }
                            if (allReduce.broadcast(new byte[] {(byte) (end ? 1 : 0)})[0] == 1) {
                                return new byte[] {1};
                            }
                        }
                    }
                    return new byte[] {2};
                },
                commits,
                committed::get);
        assertThat(outcome.generations()).extracting(Generation::worldSize).containsExactly(3, 2, 3);
        assertThat(outcome.generations().get(1).startStep()).isEqualTo(5);
        assertThat(outcome.generations().get(2).startStep()).isGreaterThan(5).isLessThan(2000);
        assertThat(outcome.failures()).hasSize(1);
        assertThat(outcome.result()).containsExactly(2);
    }
}
