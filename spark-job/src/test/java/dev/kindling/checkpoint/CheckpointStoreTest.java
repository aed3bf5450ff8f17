package dev.kindling.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.kindling.interop.TensorContent;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointStoreTest {
    private static final Configuration HADOOP = new Configuration(false);

    @TempDir
    Path run;

    private CheckpointStore store;

    @BeforeEach
    void open() throws IOException {
        store = keeping(3);
    }

    private CheckpointStore keeping(int keep) throws IOException {
        return new CheckpointStore(Storage.of(hadoop(run), HADOOP), hadoop(run.resolve("checkpoints")), keep);
    }

    static org.apache.hadoop.fs.Path save(CheckpointStore store, Checkpoint checkpoint) throws IOException {
        return store.commit(store.stage(checkpoint), checkpoint.state().step());
    }

    private CheckpointState load(org.apache.hadoop.fs.Path committed) throws IOException {
        return store.load(committed, new LoadedTensors());
    }

    @Test
    void loadsWhatItSaved() throws IOException {
        Checkpoint saved = checkpoint(250, OptionalDouble.of(1.8832));
        LoadedTensors loaded = new LoadedTensors();
        CheckpointState state = store.load(save(store, saved), loaded);

        assertThat(state).isEqualTo(saved.state());
        assertSame(loaded, LoadedTensors.of(saved));
        assertThat(names(run.resolve("checkpoints"))).containsExactly("step-0000250");
        assertThat(names(run.resolve("checkpoints/step-0000250")))
                .containsExactly("model.safetensors", "optimizer.safetensors", "state.json");
    }

    @Test
    void aSnapshotIsTheCheckpointOnlyIfEveryBitOfItWasCommitted() throws IOException {
        Checkpoint saved = checkpoint(250, OptionalDouble.of(1.8832));
        save(store, saved);
        assertThat(store.committedAs(saved)).contains(saved.state());

        String name = saved.optimizer().keySet().iterator().next();
        float[] altered = LoadedTensors.of(saved).values.get(name);
        altered[altered.length - 1] = Math.nextUp(altered[altered.length - 1]);
        Map<String, TensorContent> optimizer = new HashMap<>(saved.optimizer());
        optimizer.put(name, LoadedTensors.tensor(altered, 0, 13, 7));
        assertThat(store.committedAs(new Checkpoint(saved.state(), saved.model(), optimizer)))
                .isEmpty();
    }

    /** As a run with {@code train.moments: bf16} writes them; runs before this version wrote the same values in F32. */
    @Test
    void momentsInBf16TakeHalfTheBytesAndComeBackToTheBit() throws IOException {
        Checkpoint exact = checkpoint(250, OptionalDouble.empty());
        Map<String, TensorContent> halves = new HashMap<>();
        for (Map.Entry<String, float[]> moment : LoadedTensors.of(exact).values.entrySet()) {
            if (!exact.optimizer().containsKey(moment.getKey())) {
                continue;
            }
            float[] values = moment.getValue().clone();
            for (int i = 0; i < values.length; i++) {
                values[i] = Float.intBitsToFloat(Float.floatToRawIntBits(values[i]) & 0xFFFF0000);
            }
            halves.put(moment.getKey(), LoadedTensors.tensor(values, 0, 13, 7));
        }
        Path optimizer = run.resolve("checkpoints/step-0000250/optimizer.safetensors");
        List<Long> bytes = new ArrayList<>();
        for (String moments : List.of("fp32", "bf16")) {
            CheckpointState state = withMoments(exact.state(), moments);
            Checkpoint saved = new Checkpoint(state, exact.model(), halves);
            LoadedTensors loaded = new LoadedTensors();
            store.load(save(store, saved), loaded);
            assertSame(loaded, LoadedTensors.of(saved));
            assertThat(store.committedAs(saved)).contains(state);
            bytes.add(Files.size(optimizer));
        }
        assertThat(bytes.get(0) - bytes.get(1)).isBetween(2L * 2 * 13 * 7 - 16, 2L * 2 * 13 * 7 + 16);
    }

    private static CheckpointState withMoments(CheckpointState state, String moments) throws IOException {
        return new CheckpointState(
                state.step(),
                new ObjectMapper().readTree("{\"train\":{\"moments\":\"" + moments + "\"}}"),
                state.tokenizer(),
                state.seed(),
                state.dataPosition(),
                state.worldSize(),
                state.bestValLoss(),
                state.bestStep());
    }

    @Test
    void aRunWithoutAnEvaluationHasNoBestLoss() throws IOException {
        org.apache.hadoop.fs.Path saved = save(store, checkpoint(7, OptionalDouble.empty()));

        assertThat(load(saved).bestValLoss()).isEmpty();
        assertThat(LoadedTensors.ofModel(store, saved).values).containsOnlyKeys("wte.weight", "h.0.attn.c_attn.weight");
    }

    @Test
    void keepsTheNewestAndClearsWhatWasNeverCommitted() throws IOException {
        store.stage(checkpoint(100, OptionalDouble.empty()));
        assertThat(store.list()).isEmpty();
        for (int step = 250; step <= 1250; step += 250) {
            save(store, checkpoint(step, OptionalDouble.empty()));
        }

        assertThat(names(run.resolve("checkpoints"))).containsExactly("step-0000750", "step-0001000", "step-0001250");
        assertThat(store.list().get(0).getName()).isEqualTo("step-0001250");
    }

    @Test
    void theSameStepIsReplaced() throws IOException {
        save(store, checkpoint(250, OptionalDouble.of(3)));
        save(store, checkpoint(250, OptionalDouble.of(2)));

        assertThat(names(run.resolve("checkpoints"))).containsExactly("step-0000250");
        assertThat(load(store.list().get(0)).bestValLoss()).hasValue(2);
    }

    @Test
    void aRunThatWentBackKeepsWhatItCommitsNow() throws IOException {
        CheckpointStore one = keeping(1);
        save(one, checkpoint(750, OptionalDouble.empty()));
        save(one, checkpoint(500, OptionalDouble.empty()));

        assertThat(names(run.resolve("checkpoints"))).containsExactly("step-0000500");
    }

    @Test
    void resolvesARunItsCheckpointsAndACheckpoint() throws IOException {
        save(store, checkpoint(250, OptionalDouble.empty()));
        org.apache.hadoop.fs.Path newest = save(store, checkpoint(500, OptionalDouble.empty()));

        for (Path given : List.of(run, run.resolve("checkpoints"), run.resolve("checkpoints/step-0000500"))) {
            NamedCheckpoint resolved = NamedCheckpoint.of(hadoop(given), WhichCheckpoint.LATEST, HADOOP);
            assertThat(resolved.directory().getName()).isEqualTo(newest.getName());
        }
        assertThatThrownBy(() -> NamedCheckpoint.of(hadoop(run.resolve("nowhere")), WhichCheckpoint.BEST, HADOOP))
                .hasMessageContaining("does not exist; give a run directory");
        Path empty = Files.createDirectory(run.resolve("empty"));
        assertThatThrownBy(() -> NamedCheckpoint.of(hadoop(empty), WhichCheckpoint.BEST, HADOOP))
                .hasMessageContaining("holds no committed checkpoint");
    }

    @Test
    void theBestStaysBesideTheNewestUntilAnotherIsBetter() throws IOException {
        CheckpointStore two = keeping(2);
        save(two, checkpoint(250, OptionalDouble.of(2.5), OptionalLong.of(250)));
        save(two, checkpoint(500, OptionalDouble.of(1.5), OptionalLong.of(500)));
        for (int step = 750; step <= 1250; step += 250) {
            save(two, checkpoint(step, OptionalDouble.of(1.5), OptionalLong.of(500)));
        }

        assertThat(names(run.resolve("checkpoints"))).containsExactly("step-0000500", "step-0001000", "step-0001250");
        NamedCheckpoint best = NamedCheckpoint.of(hadoop(run), WhichCheckpoint.BEST, HADOOP);
        assertThat(best.directory().getName()).isEqualTo("step-0000500");
        assertThat(best.choice().orElseThrow()).contains("step-0000500", "the best of the run", "1.5000");
        NamedCheckpoint latest = NamedCheckpoint.of(hadoop(run), WhichCheckpoint.LATEST, HADOOP);
        assertThat(latest.directory().getName()).isEqualTo("step-0001250");
        assertThat(two.latestValid().found().orElseThrow().step()).isEqualTo(1250);

        save(two, checkpoint(1500, OptionalDouble.of(1.25), OptionalLong.of(1500)));
        assertThat(names(run.resolve("checkpoints"))).containsExactly("step-0001250", "step-0001500");
        assertThat(two.best().orElseThrow().getName()).isEqualTo("step-0001500");
    }

    @Test
    void aRunThatDoesNotSayWhichIsTheBestGivesItsNewestAndSaysSo() throws IOException {
        save(store, checkpoint(250, OptionalDouble.of(2.5)));
        save(store, checkpoint(500, OptionalDouble.of(2.5)));

        NamedCheckpoint resolved = NamedCheckpoint.of(hadoop(run), WhichCheckpoint.BEST, HADOOP);
        assertThat(resolved.directory().getName()).isEqualTo("step-0000500");
        assertThat(resolved.choice().orElseThrow()).contains("the newest of the run, as nothing says");
    }

    static Checkpoint checkpoint(long step, OptionalDouble best) throws IOException {
        return checkpoint(step, best, OptionalLong.empty());
    }

    static Checkpoint checkpoint(long step, OptionalDouble best, OptionalLong bestStep) throws IOException {
        float[] model = SafeTensorsTest.floats(13 * 7 + 207, step);
        float[] moments = SafeTensorsTest.floats(2 * model.length, step + 1);
        ObjectMapper json = new ObjectMapper();
        CheckpointState state = new CheckpointState(
                step,
                json.readTree("{\"train\":{\"lr\":1e-3,\"init_from\":\"scratch\"},\"model\":{\"n_layer\":4}}"),
                json.readTree("{\"kind\":\"char\",\"vocabulary\":\"\\n !Éa\"}"),
                1337,
                step * 12,
                2,
                best,
                bestStep,
                List.of(1e-7f * step, 448f, 0f),
                List.of(json.readTree("{\"step\":" + step + "}")),
                OptionalLong.of(3L << 31));
        return new Checkpoint(
                state,
                Map.of(
                        "wte.weight", LoadedTensors.tensor(model, 0, 13, 7),
                        "h.0.attn.c_attn.weight", LoadedTensors.tensor(model, 13 * 7, 207)),
                Map.of(
                        "m.wte.weight", LoadedTensors.tensor(moments, 0, 13, 7),
                        "v.wte.weight", LoadedTensors.tensor(moments, model.length, 13, 7)));
    }

    static void assertSame(LoadedTensors actual, LoadedTensors expected) {
        assertThat(actual.shapes).isEqualTo(expected.shapes);
        expected.values.forEach((name, tensor) ->
                assertThat(SafeTensorsTest.bits(actual.values.get(name))).isEqualTo(SafeTensorsTest.bits(tensor)));
    }

    static org.apache.hadoop.fs.Path hadoop(Path path) {
        return new org.apache.hadoop.fs.Path(path.toUri().getPath());
    }

    static List<String> names(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(path -> path.getFileName().toString()).sorted().toList();
        }
    }
}
