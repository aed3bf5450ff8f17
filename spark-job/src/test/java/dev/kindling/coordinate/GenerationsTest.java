package dev.kindling.coordinate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.SumOrder;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Generations with three real executor processes. */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@Timeout(90)
class GenerationsTest {
    private static final int[] LENGTHS = {1, 2, 13, 207, 4098, 70_001, 1_700_003};
    private static final Limits LIMITS = new Limits(20_000, 20_000, 20_000, 10_000, 15_000, 10_000, 100, 4_000, 3_000);

    private static EmbeddedCluster cluster;

    @BeforeAll
    static void start() {
        cluster = new EmbeddedCluster(3, Map.of());
    }

    @AfterAll
    static void stop() {
        cluster.close();
    }

    private static Outcome run(Plan plan, GenerationBody body, RequestHandler handler, AtomicLong committed) {
        try (Coordinator coordinator = new Coordinator(cluster.sc(), handler)) {
            return new Generations(cluster.sc(), coordinator, plan).run(body, committed::get);
        }
    }

    private static Outcome run(Plan plan, GenerationBody body) {
        return run(plan, body, (generation, rank, topic, payload) -> payload, new AtomicLong());
    }

    private static Plan plan(int ranks, Transport transport) {
        return new Plan(ranks, ranks, transport, 2_000_000, 2, LIMITS);
    }

    static float[] values(int rank, int length) {
        Random random = new Random(31L * rank + length);
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            values[i] = (float) (random.nextGaussian() * Math.exp(4 * random.nextGaussian()));
        }
        return values;
    }

    static float[] expected(int ranks, int length) {
        float[] sum = values(0, length);
        for (int r = 1; r < ranks; r++) {
            float[] part = values(r, length);
            for (int i = 0; i < length; i++) {
                sum[i] += part[i];
            }
        }
        return sum;
    }

    /** Fails the generation on the first bit that differs from the plain loop over ranks. */
    private static byte[] sumsAreExact(Member member, AllReduce allReduce) {
        for (int length : LENGTHS) {
            float[] data = new float[length + 7];
            Arrays.fill(data, -5f);
            System.arraycopy(values(member.rank(), length), 0, data, 3, length);
            int half = length / 2;
            allReduce.submit(data, 3 + half, length - half);
            allReduce.submit(data, 3, half);
            allReduce.await();
            float[] expected = expected(member.worldSize(), length);
            for (int i = 0; i < length; i++) {
                if (Float.floatToRawIntBits(data[3 + i]) != Float.floatToRawIntBits(expected[i])) {
                    throw new AssertionError(
                            "length " + length + " at " + i + ": " + data[3 + i] + " is not " + expected[i]);
                }
            }
            if (data[2] != -5f || data[length + 3] != -5f) {
                throw new AssertionError("written outside the range at length " + length);
            }
            member.stepReached(length);
        }
        treesAreExact(allReduce);
        slicesAreExact(allReduce);
        double[][] gathered = allReduce.allGather(new double[] {member.rank() + 0.1, 1e-300});
        float[] weights = values(member.rank(), 1_100_000);
        allReduce.broadcast(weights, 0, weights.length);
        if (!Arrays.equals(weights, values(0, 1_100_000))) {
            throw new AssertionError("broadcast is not rank 0's");
        }
        allReduce.barrier();
        double sum = 0;
        for (double[] each : gathered) {
            sum += each[0];
        }
        return (allReduce.name() + " " + sum).getBytes(StandardCharsets.UTF_8);
    }

    /** Leaf i, or the sum of leaves by halving. */
    private static float[] tree(int from, int to, int length) {
        if (to - from == 1) {
            return values(from, length);
        }
        float[] sum = tree(from, (from + to) / 2, length);
        float[] right = tree((from + to) / 2, to, length);
        for (int i = 0; i < length; i++) {
            sum[i] += right[i];
        }
        return sum;
    }

    /** Eight leaves: three ranks hold 2, 3 and 3 of them, which are 1, 2 and 2 subtrees. */
    private static void treesAreExact(AllReduce allReduce) {
        int worldSize = allReduce.worldSize();
        int length = 800_001;
        // The subtrees of each world size's ranks, as their first and last leaves.
        int[][][][] subtrees = {{{{0, 8}}}, {{{0, 4}}, {{4, 8}}}, {{{0, 2}}, {{2, 4}, {4, 5}}, {{5, 6}, {6, 8}}}};
        float[][] mine = Arrays.stream(subtrees[worldSize - 1][allReduce.rank()])
                .map(subtree -> tree(subtree[0], subtree[1], length))
                .toArray(float[][]::new);
        allReduce.submit(SumOrder.tree(8, worldSize), mine, 1, length - 1);
        allReduce.await();
        float[] expected = tree(0, 8, length);
        float[] sum = mine[mine.length - 1];
        for (int i = 1; i < length; i++) {
            if (Float.floatToRawIntBits(sum[i]) != Float.floatToRawIntBits(expected[i])) {
                throw new AssertionError("tree at " + i + ": " + sum[i] + " is not " + expected[i]);
            }
        }
    }

    /** Uneven slices, the second of three empty: each owner gets its sums, then all get all, then rank 0 alone. */
    private static void slicesAreExact(AllReduce allReduce) {
        int length = 1_700_003;
        int[][] boundsByRanks = {{0, length}, {0, 4096, length}, {0, 700_001, 700_001, length}};
        int[] bounds = boundsByRanks[allReduce.worldSize() - 1];
        float[] data = values(allReduce.rank(), length);
        SumOrder order = SumOrder.byRank(allReduce.worldSize());
        allReduce.submitScatter(order, new float[][] {data}, 0, 600_000, bounds);
        allReduce.submitScatter(order, new float[][] {data}, 600_000, length - 600_000, bounds);
        allReduce.await();
        float[] own = Arrays.copyOfRange(data, bounds[allReduce.rank()], bounds[allReduce.rank() + 1]);
        float[] expected = expected(allReduce.worldSize(), length);
        float[] gathered = new float[length];
        System.arraycopy(own, 0, gathered, bounds[allReduce.rank()], own.length);
        allReduce.allGather(gathered, bounds);
        float[] onRoot = new float[allReduce.rank() == 0 ? length : 0];
        allReduce.gather(own, onRoot, bounds);
        if (!Arrays.equals(gathered, expected) || (allReduce.rank() == 0 && !Arrays.equals(onRoot, expected))) {
            throw new AssertionError("slices are not the sums");
        }
    }

    @Order(1)
    @ParameterizedTest
    @EnumSource(Transport.class)
    void sumsEqualAPlainLoopOverRanksBitForBit(Transport transport) {
        for (int ranks = 1; ranks <= 3; ranks++) {
            Outcome outcome = run(plan(ranks, transport), GenerationsTest::sumsAreExact);
            String name = ranks == 1 ? "single" : transport.name().toLowerCase(java.util.Locale.ROOT);
            double sum = List.of(0.1, 0.1 + 1.1, 0.1 + 1.1 + 2.1).get(ranks - 1);
            assertThat(new String(outcome.result(), StandardCharsets.UTF_8)).isEqualTo(name + " " + sum);
            assertThat(outcome.failures()).isEmpty();
        }
    }

    @Order(2)
    @ParameterizedTest
    @EnumSource(Transport.class)
    void namesTheRankThatThrowsNotThoseThatWaitForIt(Transport transport) {
        long begin = System.nanoTime();
        assertThatThrownBy(() -> run(plan(3, transport), (member, allReduce) -> {
                    float[] data = new float[1000];
                    allReduce.sum(data, 0, 1000);
                    if (member.rank() == 1) {
                        throw new java.io.IOException("disk full on rank one");
                    }
                    allReduce.sum(data, 0, 1000);
                    return null;
                }))
                .isInstanceOf(GenerationFailedException.class)
                .hasMessageContaining("rank 1 (executor ")
                .hasMessageContaining("java.io.IOException: disk full on rank one")
                .hasMessageContaining("2 attempt(s)");
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(15));
    }

    @Order(3)
    @Test
    void aFatalErrorIsNotRetried() {
        List<Integer> attempts = new CopyOnWriteArrayList<>();
        RequestHandler count = (generation, rank, topic, payload) -> {
            attempts.add(generation.number());
            return null;
        };
        assertThatThrownBy(() -> run(
                        plan(2, Transport.RING),
                        (member, allReduce) -> {
                            member.request("attempt", new byte[0]);
                            throw new FatalJobException("n_embd 10 is not divisible by n_head 3");
                        },
                        count,
                        new AtomicLong()))
                .isInstanceOf(FatalJobException.class)
                .hasMessageContaining("n_embd 10 is not divisible by n_head 3");
        assertThat(attempts).isNotEmpty().allMatch(number -> number == 1);
    }

    @Order(4)
    @Test
    void twoRanksOnOneGpuAreAnError() {
        assertThatThrownBy(() -> run(plan(2, Transport.DRIVER), (member, allReduce) -> {
                    member.claimGpu("GPU-5a1e");
                    allReduce.barrier();
                    return null;
                }))
                .isInstanceOf(FatalJobException.class)
                .hasMessageContaining("two ranks on one GPU");
    }

    @Order(5)
    @Test
    void tooFewSlotsIsAnErrorWithinItsBound() {
        Limits hurried = new Limits(1_500, 20_000, 20_000, 10_000, 15_000, 10_000, 100, 4_000, 3_000);
        Plan plan = new Plan(4, 4, Transport.RING, 1000, 2, hurried);
        long begin = System.nanoTime();
        assertThatThrownBy(() -> run(plan, (member, allReduce) -> null))
                .isInstanceOf(FatalJobException.class)
                .hasMessageContaining("offers 3 of the 4 slots")
                .hasMessageContaining("lower --executors to 3");
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(3));
    }

    @Order(6)
    @Test
    void goesOnWithFewerRanksAfterALossButDoesNotStartWithFewer() {
        Limits hurried = new Limits(500, 20_000, 20_000, 10_000, 15_000, 10_000, 100, 4_000, 3_000);
        Outcome outcome = run(new Plan(3, 2, Transport.RING, 2_000_000, 2, hurried), (member, allReduce) -> {
            if (member.generation().number() == 1 && member.rank() == 2) {
                Runtime.getRuntime().halt(9);
            }
            return sumsAreExact(member, allReduce);
        });
        assertThat(outcome.generations()).extracting(Generation::worldSize).containsExactly(3, 2);
        Plan tooMany = new Plan(4, 2, Transport.RING, 2_000_000, 2, hurried);
        assertThatThrownBy(() -> run(tooMany, GenerationsTest::sumsAreExact))
                .hasMessageContaining("of the 4 slots that 4 ranks need");
    }

    @Order(7)
    @Test
    void aRankThatStallsIsNamedWithItsStage() {
        Limits hurried = new Limits(20_000, 20_000, 20_000, 1_500, 15_000, 10_000, 100, 4_000, 3_000);
        Plan plan = new Plan(2, 2, Transport.RING, 1000, 1, hurried);
        assertThatThrownBy(() -> run(plan, (member, allReduce) -> {
                    member.stepReached(1);
                    member.enter("checkpoint");
                    if (member.rank() == 1) {
                        Thread.sleep(60_000);
                    }
                    Thread.sleep(300);
                    member.enter("allreduce");
                    allReduce.barrier();
                    return null;
                }))
                .hasMessageContaining("rank 1 (executor ")
                .hasMessageContaining("no progress for 1500 ms in stage 'checkpoint', after step 1");
    }

    /** Steps 0..39; rank 0 commits every 5; the sum of step s on 3 ranks decides the next state. */
    private static byte[] training(Member member, AllReduce allReduce) throws Exception {
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

    private static void oneStep(Member member, AllReduce allReduce, float[] state, long step) {
        float[] gradient = values((int) (member.rank() + 3 * step), state.length);
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

    private static byte[] undisturbed() {
        Store store = new Store(-1, "");
        return run(plan(3, Transport.RING), GenerationsTest::training, store, store.committed)
                .result();
    }

    @Order(8)
    @Test
    void killedExecutorLeadsToTheSameBitsFromTheLastCommit() {
        Store store = new Store(13, "-KILL");
        Outcome outcome = run(plan(3, Transport.RING), GenerationsTest::training, store, store.committed);
        assertThat(outcome.generations()).hasSize(2);
        assertThat(outcome.generations().get(1).startStep()).isEqualTo(10);
        assertThat(outcome.failures().get(0).describe())
                .contains("rank 1 (executor ")
                .contains("its executor is gone");
        assertThat(outcome.result()).isEqualTo(undisturbed());
    }

    @Order(9)
    @Test
    void frozenExecutorIsFoundBySilence() {
        Store store = new Store(7, "-STOP");
        Outcome outcome = run(plan(3, Transport.DRIVER), GenerationsTest::training, store, store.committed);
        assertThat(outcome.generations()).hasSize(2);
        assertThat(outcome.failures().get(0).describe())
                .contains("rank 1 (executor ")
                .contains("no heartbeat");
        assertThat(outcome.result()).isEqualTo(undisturbed());
    }

    /** As {@link #training}, but rank 1 fails at step 13 of the first generation. */
    private static byte[] trainingWithAnError(Member member, AllReduce allReduce) throws Exception {
        if (member.generation().number() == 1 && member.rank() == 1) {
            for (int step = 0; step < 13; step++) {
                oneStep(member, allReduce, new float[257], step);
            }
            throw new java.io.EOFException("the shard ends at token 7");
        }
        return training(member, allReduce);
    }

    @Order(10)
    @Test
    void anExceptionOfOneRankIsNamedAndTheNextGenerationHasTheSameBits() {
        Store store = new Store(-1, "");
        Outcome outcome = run(plan(3, Transport.RING), GenerationsTest::trainingWithAnError, store, store.committed);
        assertThat(outcome.generations()).extracting(Generation::startStep).containsExactly(0L, 10L);
        assertThat(outcome.failures().get(0).describe())
                .startsWith("rank 1 (executor ")
                .endsWith("): java.io.EOFException: the shard ends at token 7");
        assertThat(outcome.result()).isEqualTo(undisturbed());
    }

    @Order(11)
    @ParameterizedTest
    @EnumSource(Transport.class)
    void aRankThatHangsInItsOwnCodeIsNamedNotThoseThatWaitForIt(Transport transport) {
        Limits hurried = new Limits(20_000, 20_000, 20_000, 2_000, 15_000, 10_000, 100, 4_000, 1_000);
        Plan plan = new Plan(3, 3, transport, 1000, 1, hurried);
        long begin = System.nanoTime();
        assertThatThrownBy(() -> run(plan, (member, allReduce) -> {
                    for (int step = 1; step < 100; step++) {
                        while (member.rank() == 2 && step == 5) {
                            Thread.onSpinWait();
                        }
                        allReduce.barrier();
                        member.stepReached(step);
                    }
                    return null;
                }))
                .hasMessageContaining("rank 2 (executor ")
                .hasMessageContaining("no progress for 2000 ms in stage 'start', after step 4");
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(12));
    }

    @Order(12)
    @Test
    void whenACollectiveTimesOutTheRankThatKeptTheOthersWaitingIsNamed() {
        Limits hurried = new Limits(20_000, 20_000, 20_000, 20_000, 1_500, 10_000, 100, 4_000, 3_000);
        Plan plan = new Plan(3, 3, Transport.RING, 1000, 1, hurried);
        assertThatThrownBy(() -> run(plan, (member, allReduce) -> {
                    member.enter("evaluation");
                    if (member.rank() == 1) {
                        Thread.sleep(60_000);
                    }
                    allReduce.barrier();
                    return null;
                }))
                .hasMessageContaining("rank 1 (executor ")
                .hasMessageContaining("the others waited for it in vain, in stage 'evaluation', before its first step");
    }

    @Order(13)
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
        Outcome outcome = run(
                new Plan(3, 3, Transport.RING, 2_000_000, 2, hurried),
                GenerationsTest::training,
                store,
                store.committed);
        assertThat(outcome.failures()).hasSize(1);
        assertThat(outcome.failures().get(0).describe())
                .contains("rendezvous: rank(s) ")
                .contains("its task was sent to executor ")
                .contains("did not join within 3000 ms");
        assertThat(outcome.result()).isEqualTo(undisturbed());
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(45));
    }

    @Order(14)
    @Test
    void whenExecutorsComeBackTheGenerationEndsAtACheckpointAndMoreRanksGoOn() {
        Limits hurried = new Limits(500, 20_000, 20_000, 10_000, 15_000, 10_000, 100, 4_000, 3_000);
        AtomicLong committed = new AtomicLong();
        RequestHandler commits = (generation, rank, topic, payload) -> {
            committed.set(ByteBuffer.wrap(payload).getLong());
            return null;
        };
        Outcome outcome = run(
                new Plan(3, 2, Transport.RING, 2_000_000, 2, hurried),
                (member, allReduce) -> {
                    for (long step = member.startStep() + 1;
                            step <= 2000 && member.worldSize() < 3 || step <= 20;
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
                    allReduce.barrier(); // no rank leaves before its peers have connected to it
                    return new byte[] {2};
                },
                commits,
                committed);
        assertThat(outcome.generations()).extracting(Generation::worldSize).containsExactly(3, 2, 3);
        assertThat(outcome.generations().get(1).startStep()).isEqualTo(5);
        assertThat(outcome.generations().get(2).startStep()).isGreaterThan(5).isLessThan(2000);
        assertThat(outcome.failures()).hasSize(1);
        assertThat(outcome.result()).containsExactly(2);
    }
}
