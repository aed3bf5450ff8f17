package dev.kindling.checkpoint;

import static dev.kindling.checkpoint.CheckpointStoreTest.checkpoint;
import static dev.kindling.checkpoint.CheckpointStoreTest.hadoop;
import static dev.kindling.checkpoint.CheckpointStoreTest.save;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.storage.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalDouble;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever is altered in a checkpoint is found, and recovery takes the one before. */
class CheckpointDamageTest {
    @TempDir
    Path run;

    private CheckpointStore store;

    @BeforeEach
    void open() throws IOException {
        store = new CheckpointStore(
                Storage.of(hadoop(run), new Configuration(false)), hadoop(run.resolve("checkpoints")), 3);
    }

    private CheckpointState load(org.apache.hadoop.fs.Path committed) throws IOException {
        return store.load(committed, new LoadedTensors());
    }

    @ParameterizedTest
    @ValueSource(strings = {"model.safetensors", "optimizer.safetensors", "state.json"})
    void everyAlteredRegionIsFoundAndRecoveryTakesTheOneBefore(String file) throws IOException {
        save(store, checkpoint(250, OptionalDouble.of(2.5)));
        org.apache.hadoop.fs.Path newest = save(store, checkpoint(500, OptionalDouble.of(2.25)));
        Path damaged = run.resolve("checkpoints/step-0000500").resolve(file);
        byte[] original = Files.readAllBytes(damaged);
        for (int at = 0; at < original.length; at += 1 + original.length / 97) {
            byte[] altered = original.clone();
            altered[at] = (byte) (altered[at] == 'q' ? 'z' : 'q');
            Files.write(damaged, altered);
            if (!Character.isWhitespace(original[at])) {
                assertDamaged(newest);
            }
        }
        for (int length : new int[] {0, 1, original.length / 2, original.length - 1}) {
            Files.write(damaged, Arrays.copyOf(original, length));
            assertDamaged(newest);
        }
        Files.delete(damaged);
        if (file.equals("state.json")) { // without which it is no checkpoint
            assertThat(store.list()).extracting(path -> path.getName()).containsExactly("step-0000250");
        } else {
            assertDamaged(newest);
        }
        Files.write(damaged, original);
        assertThat(load(newest).step()).isEqualTo(500);
    }

    private void assertDamaged(org.apache.hadoop.fs.Path newest) throws IOException {
        assertThatThrownBy(() -> load(newest))
                .isInstanceOf(CheckpointException.class)
                .message()
                .contains("step-0000500", "; use ")
                .doesNotContain("\n");
        CheckpointStore.Recovery recovery = store.latestValid();
        assertThat(recovery.found().orElseThrow().step()).isEqualTo(250);
        assertThat(recovery.skipped())
                .singleElement()
                .asString()
                .startsWith("skipped step-0000500: ")
                .doesNotContain("\n");
    }

    @Test
    void bytesBehindTheEndOfTheStateAreRefused() throws IOException {
        org.apache.hadoop.fs.Path committed = save(store, checkpoint(250, OptionalDouble.of(1.8832)));
        Path state = run.resolve("checkpoints/step-0000250/state.json");
        String whole = Files.readString(state);
        for (String more : new String[] {"x", "{}", "\u0000"}) {
            Files.writeString(state, whole + more);
            assertThatThrownBy(() -> load(committed))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("state.json is damaged");
        }
        Files.writeString(state, whole + "\n");
        assertThat(load(committed).step()).isEqualTo(250);
    }

    @Test
    void anAlteredNumberInTheStateIsFound() throws IOException {
        org.apache.hadoop.fs.Path path = save(store, checkpoint(250, OptionalDouble.empty()));
        Path state = run.resolve("checkpoints/step-0000250/state.json");
        Files.writeString(state, Files.readString(state).replace("\"seed\" : 1337", "\"seed\" : 1338"));

        assertThatThrownBy(() -> load(path)).hasMessageContaining("its checksum does not match its content");
    }

    @Test
    void anotherVersionAndAnotherNameAreRefused() throws IOException {
        org.apache.hadoop.fs.Path path = save(store, checkpoint(250, OptionalDouble.empty()));
        Path directory = run.resolve("checkpoints/step-0000250");
        Path renamed = run.resolve("checkpoints/step-0000300");
        Files.move(directory, renamed);
        assertThatThrownBy(() -> load(hadoop(renamed))).hasMessageContaining("holds step 250");
        Files.move(renamed, directory);

        Path state = directory.resolve("state.json");
        Files.writeString(state, Files.readString(state).replace("\"version\" : 1", "\"version\" : 2"));
        assertThatThrownBy(() -> load(path))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("has version 2, but this Kindling reads version 1; use the Kindling that wrote");
    }
}
