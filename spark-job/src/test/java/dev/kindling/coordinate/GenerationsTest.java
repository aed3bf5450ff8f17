package dev.kindling.coordinate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.allreduce.RankSum;
import dev.kindling.config.ConfigException;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.GenerationFailedException;
import dev.kindling.coordinate.message.GenerationsResult;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.coordinate.message.Topic;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Generations with three real executor processes: sums, and failures that are named within their bounds. */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@Timeout(90)
class GenerationsTest {
    private static final Limits LIMITS = new Limits(20_000, 20_000, 20_000, 10_000, 15_000, 10_000, 100, 4_000, 3_000);

    private static final Topic<Integer> ATTEMPT = new Topic<>("attempt", Integer.class);

    private static EmbeddedCluster cluster;

    @BeforeAll
    static void start() {
        cluster = new EmbeddedCluster(3, Map.of());
    }

    @AfterAll
    static void stop() {
        cluster.close();
    }

    private static GenerationsResult run(GenerationPlan plan, GenerationBody body) {
        return cluster.run(plan, body, new TopicHandlers(), () -> 0);
    }

    static GenerationPlan plan(int ranks, Transport transport) {
        return new GenerationPlan(ranks, ranks, transport, 2_000_000, 2, LIMITS);
    }

    @Order(1)
    @ParameterizedTest
    @EnumSource(Transport.class)
    void sumsEqualAPlainLoopOverRanksBitForBit(Transport transport) {
        for (int ranks = 1; ranks <= 3; ranks++) {
            GenerationsResult outcome = run(plan(ranks, transport), Collectives::sumsAreExact);
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
                    RankSum.of(allReduce, data, 0, 1000);
                    if (member.rank() == 1) {
                        throw new java.io.IOException("disk full on rank one");
                    }
                    RankSum.of(allReduce, data, 0, 1000);
                    return null;
                }))
                .isInstanceOf(GenerationFailedException.class)
                .hasMessageContaining("rank 1 (executor ")
                .hasMessageContaining("java.io.IOException: disk full on rank one")
                .hasMessageContaining("2 attempt(s)");
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(30));
    }

    @Order(2)
    @Test
    void aRankThatFailsIsNamedBeforeItHasLetGoOfWhatItHolds() {
        assertThatThrownBy(() -> run(new GenerationPlan(3, 3, Transport.RING, 1000, 1, LIMITS), (member, allReduce) -> {
                    if (member.rank() == 1) {
                        member.failing(new java.io.IOException("disk full on rank one"));
                        while (true) { // lets go of it when it is told to stop
                            member.check();
                            Thread.sleep(10);
                        }
                    }
                    allReduce.barrier();
                    return null;
                }))
                .isInstanceOf(GenerationFailedException.class)
                .hasMessageContaining("rank 1 (executor ")
                .hasMessageContaining("java.io.IOException: disk full on rank one");
    }

    @Order(2)
    @ParameterizedTest
    @EnumSource(Transport.class)
    void ranksThatHaveNothingToDoMayLeaveAtOnce(Transport transport) {
        for (int i = 0; i < 10; i++) {
            assertThat(run(plan(3, transport), (member, allReduce) -> null).failures())
                    .isEmpty();
        }
    }

    @Order(3)
    @Test
    void aHandlerThatHangsAndARankThatWaitsAreToldWhileTheyAreWaitedFor() {
        Limits patient = new Limits(20_000, 20_000, 90_000, 90_000, 90_000, 90_000, 100, 4_000, 3_000);
        CountDownLatch told = new CountDownLatch(2);
        List<String> delays = new CopyOnWriteArrayList<>();
        Progress progress = new Progress() {
            @Override
            public long committedStep() {
                return 0;
            }

            @Override
            public void delayed(String what) {
                delays.add(what);
                told.countDown();
            }
        };
        TopicHandlers hanging = new TopicHandlers().on(ATTEMPT, (generation, rank, number) -> {
            assertThat(told.await(80, TimeUnit.SECONDS)).isTrue();
        });
        GenerationsResult outcome = cluster.run(
                new GenerationPlan(2, 2, Transport.RING, 1000, 1, patient),
                (member, allReduce) -> {
                    if (member.rank() == 0) {
                        member.enter("waiting for the checkpoint before that of step 20");
                        member.request(ATTEMPT, 1);
                    }
                    allReduce.barrier();
                    return null;
                },
                hanging,
                progress);
        assertThat(outcome.failures()).isEmpty();
        assertThat(delays)
                .anySatisfy(delay ->
                        assertThat(delay).matches("the driver has been at the 'attempt' of rank 0 for \\d+ s"));
        assertThat(delays)
                .anySatisfy(
                        delay -> assertThat(delay)
                                .matches(
                                        "rank 0 \\(executor .*\\) has been waiting for the checkpoint before that of step 20 for \\d+ s"));
    }

    @Order(3)
    @Test
    void aFatalErrorIsNotRetried() {
        List<Integer> attempts = new CopyOnWriteArrayList<>();
        TopicHandlers count =
                new TopicHandlers().on(ATTEMPT, (generation, rank, number) -> attempts.add(generation.number()));
        assertThatThrownBy(() -> cluster.run(
                        plan(2, Transport.RING),
                        (member, allReduce) -> {
                            member.request(ATTEMPT, member.generation().attempt());
                            throw new FatalJobException("n_embd 10 is not divisible by n_head 3");
                        },
                        count,
                        () -> 0))
                .isInstanceOf(FatalJobException.class)
                .hasMessageContaining("n_embd 10 is not divisible by n_head 3");
        assertThat(attempts).isNotEmpty().allMatch(number -> number == 1);
        assertThatThrownBy(() -> run(plan(1, Transport.DRIVER), (member, allReduce) -> {
                    throw new ConfigException("spark.kindling.cpu.threads is 0; set it to 1 or more");
                }))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("): spark.kindling.cpu.threads is 0; set it to 1 or more");
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
        GenerationPlan plan = new GenerationPlan(4, 4, Transport.RING, 1000, 2, hurried);
        long begin = System.nanoTime();
        assertThatThrownBy(() -> run(plan, (member, allReduce) -> null))
                .isInstanceOf(FatalJobException.class)
                .hasMessageContaining("offers 3 of the 4 slots")
                .hasMessageContaining("lower --executors to 3");
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(12));
    }

    @Order(6)
    @Test
    void goesOnWithFewerRanksAfterALossButDoesNotStartWithFewer() {
        Limits hurried = new Limits(500, 20_000, 20_000, 10_000, 15_000, 10_000, 100, 4_000, 3_000);
        GenerationsResult outcome =
                run(new GenerationPlan(3, 2, Transport.RING, 2_000_000, 2, hurried), (member, allReduce) -> {
                    if (member.generation().number() == 1 && member.rank() == 2) {
                        Runtime.getRuntime().halt(9);
                    }
                    return Collectives.sumsAreExact(member, allReduce);
                });
        assertThat(outcome.generations()).extracting(Generation::worldSize).containsExactly(3, 2);
        GenerationPlan tooMany = new GenerationPlan(4, 2, Transport.RING, 2_000_000, 2, hurried);
        assertThatThrownBy(() -> run(tooMany, Collectives::sumsAreExact))
                .hasMessageContaining("of the 4 slots that 4 ranks need");
    }

    @Order(7)
    @Test
    void aRankThatStallsIsNamedWithItsStage() {
        Limits hurried = new Limits(20_000, 20_000, 20_000, 1_500, 15_000, 10_000, 100, 4_000, 3_000);
        GenerationPlan plan = new GenerationPlan(2, 2, Transport.RING, 1000, 1, hurried);
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

    @Order(11)
    @ParameterizedTest
    @EnumSource(Transport.class)
    void aRankThatHangsInItsOwnCodeIsNamedNotThoseThatWaitForIt(Transport transport) {
        Limits hurried = new Limits(20_000, 20_000, 20_000, 2_000, 15_000, 10_000, 100, 4_000, 1_000);
        GenerationPlan plan = new GenerationPlan(3, 3, transport, 1000, 1, hurried);
        long begin = System.nanoTime();
        assertThatThrownBy(() -> run(plan, (member, allReduce) -> {
                    for (int step = 1; step < 100; step++) {
                        while (member.rank() == 2 && step == 5) {
                            Thread.sleep(10);
                        }
                        allReduce.barrier();
                        member.stepReached(step);
                    }
                    return null;
                }))
                .hasMessageContaining("rank 2 (executor ")
                .hasMessageContaining("no progress for 2000 ms in stage 'start', after step 4");
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(30));
    }

    @Order(12)
    @Test
    void whenACollectiveTimesOutTheRankThatKeptTheOthersWaitingIsNamed() {
        Limits hurried = new Limits(20_000, 20_000, 20_000, 20_000, 1_500, 10_000, 100, 4_000, 3_000);
        GenerationPlan plan = new GenerationPlan(3, 3, Transport.RING, 1000, 1, hurried);
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
}
