package dev.kindling.coordinate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.RankSum;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.GenerationsResult;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.coordinate.message.Topic;
import dev.kindling.device.cuda.library.CudaCall;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Executors that are killed, frozen and come back: the next generation has the bits of an undisturbed one. */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@Timeout(90)
class RecoveryTest {
    private record Commit(long step, byte[] state) {}

    record Step(long step, long pid) {}

    private static final Topic<Commit> COMMIT = new Topic<>("commit", Commit.class);
    static final Topic<Step> STEP = new Topic<>("step", Step.class);

    @TempDir
    private static Path folder;

    private static EmbeddedCluster cluster;
    private static byte[] undisturbed;

    /** An executor takes tasks only some time after it has registered; those that have run one can be frozen. */
    @BeforeAll
    static void startAndTrainUndisturbed() {
        cluster = new EmbeddedCluster(3, Map.of());
        Store store = new Store(-1, "");
        undisturbed = store.run(GenerationsTest.plan(3, Transport.RING)).result();
    }

    @AfterAll
    static void stop() {
        cluster.close();
    }

    /**
     * Steps 0..39; rank 0 commits every 5; the sum of step s on 3 ranks decides the next state.
     *
     * @param committed the file that holds the state of the last commit
     */
    private static byte[] training(RankSession member, AllReduce allReduce, String committed) throws Exception {
        float[] state = new float[257];
        if (member.startStep() > 0) {
            ByteBuffer.wrap(Files.readAllBytes(Path.of(committed)))
                    .asFloatBuffer()
                    .get(state);
        }
        for (long step = member.startStep(); step < 40; step++) {
            oneStep(member, allReduce, state, step);
            if (member.rank() == 0 && step % 5 == 4) {
                member.request(COMMIT, new Commit(step + 1, bytes(state)));
            }
            member.stepReached(step);
            Thread.sleep(20);
        }
        return bytes(state);
    }

    static byte[] bytes(float[] state) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * state.length);
        bytes.asFloatBuffer().put(state);
        return bytes.array();
    }

    static void oneStep(RankSession member, AllReduce allReduce, float[] state, long step) {
        float[] gradient = Collectives.values((int) (member.rank() + 3 * step), state.length);
        RankSum.of(allReduce, gradient, 0, gradient.length);
        for (int i = 0; i < state.length; i++) {
            state[i] = 0.9f * state[i] + gradient[i] / allReduce.worldSize();
        }
        member.request(STEP, new Step(step, ProcessHandle.current().pid())); // returns when the fault has struck
    }

    /** Keeps what is committed, and strikes rank 1 of the first generation with a signal. */
    private static final class Store {
        private final AtomicLong committed = new AtomicLong();
        private final Path file;
        private final long faultAt;
        private final String signal;

        Store(long faultAt, String signal) {
            this.faultAt = faultAt;
            this.signal = signal;
            this.file = folder.resolve("state-" + System.nanoTime());
        }

        GenerationsResult run(GenerationPlan plan) {
            String state = file.toString();
            return run(plan, (member, allReduce) -> training(member, allReduce, state));
        }

        GenerationsResult run(GenerationPlan plan, GenerationBody body) {
            TopicHandlers handlers =
                    new TopicHandlers().on(COMMIT, this::commit).on(STEP, this::strike);
            return cluster.run(plan, body, handlers, committed::get);
        }

        private void commit(Generation generation, int rank, Commit commit) throws IOException {
            Files.write(file, commit.state());
            committed.set(commit.step());
        }

        private void strike(Generation generation, int rank, Step step) throws Exception {
            if (generation.number() == 1 && rank == 1 && step.step() == faultAt) {
                new ProcessBuilder("kill", signal, "" + step.pid()).start().waitFor();
            }
        }
    }

    @Order(1)
    @Test
    void killedExecutorLeadsToTheSameBitsFromTheLastCommit() {
        Store store = new Store(13, "-KILL");
        GenerationsResult outcome = store.run(GenerationsTest.plan(3, Transport.RING));
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
        GenerationsResult outcome = store.run(GenerationsTest.plan(3, Transport.DRIVER));
        assertThat(outcome.generations()).hasSize(2);
        assertThat(outcome.failures().get(0).describe())
                .contains("rank 1 (executor ")
                .contains("no heartbeat");
        assertThat(outcome.result()).isEqualTo(undisturbed);
    }

    /** As {@link #training}, but rank 1 fails at step 13 of the first generation. */
    private static byte[] trainingWithAnError(RankSession member, AllReduce allReduce, String committed)
            throws Exception {
        if (member.generation().number() == 1 && member.rank() == 1) {
            for (int step = 0; step < 13; step++) {
                oneStep(member, allReduce, new float[257], step);
            }
            throw new java.io.EOFException("the shard ends at token 7");
        }
        return training(member, allReduce, committed);
    }

    @Order(3)
    @Test
    void anExceptionOfOneRankIsNamedAndTheNextGenerationHasTheSameBits() {
        Store store = new Store(-1, "");
        String state = store.file.toString();
        GenerationsResult outcome = store.run(
                GenerationsTest.plan(3, Transport.RING),
                (member, allReduce) -> trainingWithAnError(member, allReduce, state));
        assertThat(outcome.generations()).extracting(Generation::startStep).containsExactly(0L, 10L);
        assertThat(outcome.failures().get(0).describe())
                .startsWith("rank 1 (executor ")
                .endsWith("): java.io.EOFException: the shard ends at token 7");
        assertThat(outcome.result()).isEqualTo(undisturbed);
    }

    /** As {@link #training}, but the GPU of rank 1 meets an illegal address at step 13 of the first generation. */
    private static byte[] trainingOnALostDevice(RankSession member, AllReduce allReduce, String committed)
            throws Exception {
        if (member.generation().number() == 1 && member.rank() == 1) {
            for (int step = 0; step < 13; step++) {
                oneStep(member, allReduce, new float[257], step);
            }
            CudaCall.check(700, "finish the work on GPU 0");
        }
        return training(member, allReduce, committed);
    }

    @Order(4)
    @Test
    void aRankThatHasLostItsDeviceEndsItsExecutorAndTheNextGenerationGetsAnother() {
        Store store = new Store(-1, "");
        String state = store.file.toString();
        Map<Integer, Set<Long>> processes = new ConcurrentHashMap<>();
        TopicHandlers handlers = new TopicHandlers().on(COMMIT, store::commit).on(STEP, (generation, rank, step) -> {
            if (generation.number() > 1 || rank == 1) {
                processes
                        .computeIfAbsent(generation.number(), number -> ConcurrentHashMap.newKeySet())
                        .add(step.pid());
            }
        });
        GenerationsResult outcome = cluster.run(
                GenerationsTest.plan(3, Transport.RING),
                (member, allReduce) -> trainingOnALostDevice(member, allReduce, state),
                handlers,
                store.committed::get);
        assertThat(outcome.failures()).hasSize(1);
        assertThat(outcome.failures().get(0).describe())
                .startsWith("rank 1 (executor ")
                .contains("CUDA_ERROR_ILLEGAL_ADDRESS (700); a kernel read or wrote out of bounds");
        assertThat(processes.get(1)).hasSize(1);
        assertThat(processes.get(2)).hasSize(3).doesNotContainAnyElementsOf(processes.get(1));
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
        Limits hurried = new Limits(30_000, 8_000, 20_000, 10_000, 15_000, 10_000, 100, 4_000, 1_000);
        Store store = new Store(-1, "");
        long begin = System.nanoTime();
        GenerationsResult outcome = store.run(new GenerationPlan(3, 3, Transport.RING, 2_000_000, 2, hurried));
        assertThat(outcome.failures()).hasSize(1);
        assertThat(outcome.failures().get(0).describe())
                .contains("rendezvous: rank(s) ")
                .contains("its task was sent to executor ")
                .contains("did not join within 8000 ms");
        assertThat(outcome.result()).isEqualTo(undisturbed);
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(45));
    }

    @Order(5)
    @Test
    void whenExecutorsComeBackTheGenerationEndsAtACheckpointAndMoreRanksGoOn() {
        Limits hurried = new Limits(500, 20_000, 20_000, 10_000, 15_000, 10_000, 100, 4_000, 3_000);
        AtomicLong committed = new AtomicLong();
        TopicHandlers commits =
                new TopicHandlers().on(COMMIT, (generation, rank, commit) -> committed.set(commit.step()));
        GenerationsResult outcome = cluster.run(
                new GenerationPlan(3, 2, Transport.RING, 2_000_000, 2, hurried),
                (member, allReduce) -> {
                    for (long step = member.startStep() + 1;
                            (step <= 2000 && member.generation().worldSize() < 3) || step <= 20;
                            step++) {
                        if (member.generation().number() == 1 && member.rank() == 2 && step == 7) {
                            Runtime.getRuntime().halt(9);
                        }
                        allReduce.barrier();
                        member.stepReached(step);
                        Thread.sleep(10);
                        if (step % 5 == 0) {
                            boolean end = member.generation().worldSize() < 3 && member.rank() == 0 && member.mayEnd();
                            if (member.rank() == 0) {
                                member.request(COMMIT, new Commit(step, new byte[0]));
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
