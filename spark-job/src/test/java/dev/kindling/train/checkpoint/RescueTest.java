package dev.kindling.train.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.checkpoint.LoadedTensors;
import dev.kindling.checkpoint.RescuedCheckpoints;
import dev.kindling.coordinate.JobPlace;
import dev.kindling.interop.TensorContent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class RescueTest {
    private static final Map<String, List<Long>> SHAPES = Map.of("wte.weight", List.of(2L, 3L));

    @TempDir
    private Path run;

    private CheckpointStore store;

    @BeforeEach
    void openStore() throws Exception {
        store = TestCheckpoints.store(run);
    }

    private interface Rank {
        void run() throws Exception;
    }

    /** All ranks at once, as they do when their driver is gone. */
    private static void together(List<Rank> ranks) throws Exception {
        List<CompletableFuture<Void>> all = ranks.stream()
                .map(rank -> CompletableFuture.runAsync(() -> {
                    try {
                        rank.run();
                    } catch (Exception e) {
                        throw new IllegalStateException(e);
                    }
                }))
                .toList();
        for (CompletableFuture<Void> one : all) {
            one.get(1, TimeUnit.MINUTES);
        }
    }

    private Rescue rescue(int rank, int ranks, boolean owned) {
        return new Rescue(
                store.rescued(),
                () -> owned,
                store::newestStep,
                new RescuedCheckpoints.Writer("this training", rank, ranks));
    }

    private void rescue(int ranks, boolean owned, long... steps) throws Exception {
        together(IntStream.range(0, steps.length)
                .mapToObj(rank -> (Rank) () -> rescue(rank, ranks, owned)
                        .run(
                                new Rescue.Held(steps[rank], Map.of()),
                                committed -> TestCheckpoints.snapshot(steps[rank])))
                .toList());
    }

    /** Of a state that is divided over the ranks, {@code wte.weight} into halves. */
    private void rescueHalves(long... steps) throws Exception {
        together(IntStream.range(0, steps.length)
                .mapToObj(rank -> (Rank) () -> rescue(rank, 2, true)
                        .run(new Rescue.Held(steps[rank], SHAPES), committed -> half(rank, steps[rank])))
                .toList());
    }

    private static Checkpoint half(int rank, long step) {
        Checkpoint whole = TestCheckpoints.snapshot(step);
        TensorContent piece = LoadedTensors.tensor(new float[] {step, rank, 4}, 0, 3);
        String name = RescuedCheckpoints.nameOfPiece("wte.weight", 3L * rank);
        return new Checkpoint(whole.state(), Map.of(name, piece), Map.of("m." + name, piece, "v." + name, piece));
    }

    private List<String> names() throws Exception {
        try (Stream<Path> names = Files.list(run.resolve("checkpoints"))) {
            return names.map(path -> path.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void theLowestRankWithTheNewestStepWritesItAndTheNextDriverCommitsIt() throws Exception {
        store.save(TestCheckpoints.snapshot(50));
        rescue(3, true, 56, 57, 57);
        assertThat(names()).containsExactly(".rescued-step-0000057-rank-1", "step-0000050");
        assertThat(store.latestValid().found().orElseThrow().step()).isEqualTo(50);
        assertThat(store.latestValidOrRescued().found().orElseThrow().step()).isEqualTo(57);
        assertThat(store.commitRescued()).hasValue(57);
        assertThat(names()).containsExactly("step-0000050", "step-0000057");
        assertThat(store.latestValid().found().orElseThrow().step()).isEqualTo(57);
        assertThat(store.commitRescued()).isEmpty();
    }

    @Test
    void aRankSaysThatItIsAtItBeforeItKnowsWhatItHolds() throws Exception {
        JobPlace.Standing early = rescue(0, 1, true).give();
        assertThat(names()).containsExactly(".rescuing-rank-0");
        Path alive = run.resolve("checkpoints/.rescuing-rank-0/alive");
        FileTime longAgo = FileTime.fromMillis(0);
        Files.setLastModifiedTime(alive, longAgo);
        while (Files.getLastModifiedTime(alive).equals(longAgo)) { // until it says so again
            Thread.sleep(10);
        }
        assertThat(store.rescued().announced(7)).isEmpty();
        rescue(1, true, 7);
        early.close();
        assertThat(names()).containsExactly(".rescued-step-0000007-rank-0");
    }

    @Test
    void aRankThatIsGoneIsNotWaitedForLong() throws Exception {
        rescue(2, true, 7);
        assertThat(store.commitRescued()).hasValue(7);
    }

    @Test
    void whatACheckpointHasOrNoRankHoldsIsNotWritten() throws Exception {
        store.save(TestCheckpoints.snapshot(50));
        rescue(2, true, 50, 49);
        rescue(2, true, 0, 0);
        assertThat(names()).containsExactly("step-0000050");
    }

    @Test
    void aTrainingThatOwnsTheRunNoMoreLeavesNothing() throws Exception {
        rescue(1, false, 7);
        assertThat(names()).isEmpty();
    }

    @Test
    void aDamagedOneIsPassedOver() throws Exception {
        rescue(1, true, 8);
        rescue(1, true, 9);
        Path newer = run.resolve("checkpoints/.rescued-step-0000009-rank-0/model.safetensors");
        byte[] bytes = Files.readAllBytes(newer);
        bytes[bytes.length - 1] ^= 1;
        Files.write(newer, bytes);
        assertThat(store.commitRescued()).hasValue(8);
        assertThat(names()).containsExactly("step-0000008");
    }

    @Test
    void anOlderOneThanTheNewestCheckpointIsSweptWithTheNextCommit() throws Exception {
        rescue(1, true, 8);
        store.save(TestCheckpoints.snapshot(9));
        assertThat(store.commitRescued()).isEmpty();
        assertThat(names()).containsExactly("step-0000009");
    }

    @Test
    void theHalvesOfTwoRanksBecomeOneCheckpoint() throws Exception {
        store.save(TestCheckpoints.snapshot(50));
        rescueHalves(57, 57);
        assertThat(names())
                .containsExactly(".rescued-step-0000057-rank-0", ".rescued-step-0000057-rank-1", "step-0000050");
        assertThat(store.latestValidOrRescued().found().orElseThrow().step()).isEqualTo(57);
        assertThat(store.commitRescued()).hasValue(57);
        assertThat(names()).containsExactly("step-0000050", "step-0000057");
        assertThat(LoadedTensors.of(store, store.committed(57)).values.get("v.wte.weight"))
                .containsExactly(57, 0, 4, 57, 1, 4);
    }

    @Test
    void halvesOfDifferentStepsAreNotWritten() throws Exception {
        rescueHalves(57, 56);
        assertThat(names()).isEmpty();
    }

    @Test
    void aDamagedHalfSpoilsTheWhole() throws Exception {
        rescueHalves(8, 8);
        rescueHalves(9, 9);
        Files.delete(run.resolve("checkpoints/.rescued-step-0000009-rank-1/optimizer.safetensors"));
        assertThat(store.commitRescued()).hasValue(8);
        assertThat(names()).containsExactly("step-0000008");
    }

    /** One of its ranks ended too early; then another training came to the same step, and one of those. */
    @Test
    void halvesOfTwoTrainingsAreNoWhole() throws Exception {
        for (int rank : new int[] {0, 1}) {
            RescuedCheckpoints.Writer writer = new RescuedCheckpoints.Writer("training " + rank, rank, 2);
            store.rescued().write(half(rank, 9), SHAPES, writer, () -> true);
        }
        assertThat(store.commitRescued()).isEmpty();
    }
}
