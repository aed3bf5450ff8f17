package dev.kindling.coordinate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.coordinate.message.DriverReply;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.GenerationsResult;
import dev.kindling.coordinate.message.HeldState;
import dev.kindling.coordinate.message.Topic;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Ranks that hold their state hand it over when one is lost: no step is computed twice, nothing is committed. */
@Timeout(180)
class LiveRecoveryTest {
    @TempDir
    private static Path folder;

    private static EmbeddedCluster cluster;

    @BeforeAll
    static void start() {
        cluster = new EmbeddedCluster(3, Map.of());
    }

    @AfterAll
    static void stop() {
        cluster.close();
    }

    /** What a process holds between generations; a spare has it before its first step. */
    private static final class Seat implements JobPlace.Kept {
        private float[] state = new float[257];
        private long steps;
        private boolean prepared;

        @Override
        public void close() {
            state = null;
        }
    }

    private record Began(long step, boolean prepared, boolean held) {}

    private static final Topic<Began> BEGAN = new Topic<>("began", Began.class);

    /**
     * Training without a commit: survivors hand over what they hold.
     *
     * @param ready the file that tells that a spare is
     */
    private record LiveTraining(String ready) implements GenerationBody {
        @Override
        public void prepare(JobPlace place) throws IOException {
            Seat seat = new Seat();
            seat.prepared = true;
            place.keep(seat);
            Files.writeString(Path.of(ready), "ready");
        }

        @Override
        public byte[] run(RankSession member, AllReduce allReduce) throws Exception {
            Seat seat = member.place().take() instanceof Seat left ? left : new Seat();
            try {
                DriverReply.Start start =
                        member.begin(seat.steps == 0 ? HeldState.NOTHING : new HeldState(seat.steps, 1, List.of(0)));
                member.report(BEGAN, new Began(start.step(), seat.prepared, seat.steps == start.step()));
                if (!start.holders().isEmpty()) {
                    byte[][] all = allReduce.allGather(RecoveryTest.bytes(seat.state));
                    ByteBuffer.wrap(all[start.holders().get(0).get(0)])
                            .asFloatBuffer()
                            .get(seat.state);
                }
                for (seat.steps = start.step(); seat.steps < 40; ) {
                    float[] next = seat.state.clone();
                    RecoveryTest.oneStep(member, allReduce, next, seat.steps);
                    seat.state = next;
                    seat.steps++;
                    member.stepReached(seat.steps);
                }
                return RecoveryTest.bytes(seat.state);
            } finally {
                member.place().keep(seat);
            }
        }
    }

    @Test
    void aSpareTakesTheLostSeatAndTheSurvivorsLastStep() throws Exception {
        Path ready = folder.resolve("ready");
        LiveTraining body = new LiveTraining(ready.toString());
        List<Began> begun = new CopyOnWriteArrayList<>();
        TopicHandlers quiet = new TopicHandlers()
                .on(BEGAN, (generation, rank, began) -> {})
                .on(RecoveryTest.STEP, (generation, rank, step) -> {});
        GenerationPlan two = GenerationsTest.plan(2, Transport.RING);
        byte[] expected = cluster.run(two, body, quiet, () -> 0).result();
        TopicHandlers striking = new TopicHandlers()
                .on(BEGAN, (generation, rank, began) -> {
                    if (generation.number() == 2) {
                        begun.add(began);
                    }
                })
                .on(RecoveryTest.STEP, (generation, rank, step) -> {
                    if (generation.number() == 1 && rank == 1 && step.step() == 13) {
                        awaitFile(ready);
                        new ProcessBuilder("kill", "-KILL", "" + step.pid())
                                .start()
                                .waitFor();
                    }
                });
        List<String> told = new CopyOnWriteArrayList<>();
        Progress progress = telling(told);
        GenerationPlan withSpare = new GenerationPlan(2, 2, 1, Transport.RING, 2_000_000, 2, two.limits());
        GenerationsResult outcome = cluster.run(withSpare, body, striking, progress);
        assertThat(outcome.result()).isEqualTo(expected);
        assertThat(begun).hasSize(2).allMatch(began -> began.step() >= 13).anyMatch(Began::held);
        assertThat(begun).anySatisfy(began -> {
            assertThat(began.prepared()).isTrue();
            assertThat(began.held()).isFalse();
        });
        assertThat(told)
                .singleElement()
                .asString()
                .startsWith("rank 1 (executor ")
                .containsPattern(
                        "its executor is gone: .*; going on from step 1[34] held by rank [01]; 0 finished step\\(s\\) lost");
    }

    private static Progress telling(List<String> told) {
        return new Progress() {
            @Override
            public long committedStep() {
                return 0;
            }

            @Override
            public void goesOn(Generation generation, String how, long lostSteps) {
                told.add(how);
            }
        };
    }

    private static void awaitFile(Path file) throws InterruptedException {
        for (int i = 0; i < 6000 && !Files.exists(file); i++) {
            Thread.sleep(10);
        }
        assertThat(file).exists();
    }
}
