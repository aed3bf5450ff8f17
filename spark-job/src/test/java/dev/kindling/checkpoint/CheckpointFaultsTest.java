package dev.kindling.checkpoint;

import static dev.kindling.checkpoint.CheckpointStoreTest.assertSame;
import static dev.kindling.checkpoint.CheckpointStoreTest.checkpoint;
import static dev.kindling.checkpoint.CheckpointStoreTest.hadoop;
import static dev.kindling.checkpoint.CheckpointStoreTest.names;
import static dev.kindling.checkpoint.CheckpointStoreTest.save;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.StoreException;
import dev.kindling.storage.FaultyDisk;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Checkpoints that are damaged, and stores that fail. */
class CheckpointFaultsTest {
    private static final Configuration HADOOP = new Configuration(false);

    @TempDir
    private Path run;

    @ParameterizedTest
    @EnumSource(WhichCheckpoint.class)
    void whatIsDamagedIsPassedOverAndTold(WhichCheckpoint which) throws IOException {
        CheckpointStore store =
                new CheckpointStore(Storage.of(hadoop(run), HADOOP), hadoop(run.resolve("checkpoints")), 3);
        save(store, checkpoint(250, OptionalDouble.of(2.5), OptionalLong.of(250)));
        save(store, checkpoint(500, OptionalDouble.of(1.5), OptionalLong.of(500)));
        Path damaged = run.resolve("checkpoints/step-0000500/model.safetensors");
        byte[] bytes = Files.readAllBytes(damaged);
        bytes[bytes.length - 1] ^= 1;
        Files.write(damaged, bytes);

        NamedCheckpoint resolved = NamedCheckpoint.of(hadoop(run), which, HADOOP);
        assertThat(resolved.directory().getName()).isEqualTo("step-0000250");
        assertThat(resolved.choice().orElseThrow())
                .contains("the newest of the run", "passed over step-0000500: ", "model.safetensors is damaged");

        Files.delete(run.resolve("checkpoints/step-0000250/state.json"));
        assertThatThrownBy(() -> NamedCheckpoint.of(hadoop(run), which, HADOOP))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContainingAll("no checkpoint of", "step-0000500: ", "restore one");
    }

    @Test
    void whatCannotBeDeletedStaysAndTheNextCommitTriesAgain() throws IOException {
        FaultyDisk disk = FaultyDisk.at(run, HADOOP);
        CheckpointStore one =
                new CheckpointStore(new Storage(disk, HADOOP, FaultyDisk.BRIEF), hadoop(run.resolve("checkpoints")), 1);
        save(one, checkpoint(250, OptionalDouble.empty()));
        disk.fail(FaultyDisk.Call.DELETE, Integer.MAX_VALUE);
        save(one, checkpoint(500, OptionalDouble.empty()));
        assertThat(names(run.resolve("checkpoints"))).containsExactly("step-0000250", "step-0000500");
        disk.fail(FaultyDisk.Call.DELETE, 0);
        save(one, checkpoint(750, OptionalDouble.empty()));
        assertThat(names(run.resolve("checkpoints"))).containsExactly("step-0000750");
    }

    @Test
    void aFaultOfTheStoreThatPassesIsWaitedForAndOneThatStaysSaysNothingOfTheCheckpoint() throws IOException {
        FaultyDisk disk = FaultyDisk.at(run, HADOOP);
        CheckpointStore faulty =
                new CheckpointStore(new Storage(disk, HADOOP, FaultyDisk.BRIEF), hadoop(run.resolve("checkpoints")), 3);
        for (FaultyDisk.Call call : EnumSet.complementOf(EnumSet.of(FaultyDisk.Call.DELETE))) {
            disk.fail(call, 2);
            Checkpoint saved = checkpoint(250, OptionalDouble.empty());
            assertSame(LoadedTensors.of(faulty, save(faulty, saved)), LoadedTensors.of(saved));
            assertThat(faulty.latestValid().skipped()).isEmpty();
        }
        disk.fail(FaultyDisk.Call.READ, Integer.MAX_VALUE);
        assertThatThrownBy(faulty::latestValid).isInstanceOf(StoreException.class);
        disk.fail(FaultyDisk.Call.READ, 0);
        disk.fail(FaultyDisk.Call.WRITE, Integer.MAX_VALUE);
        assertThatThrownBy(() -> faulty.stage(checkpoint(500, OptionalDouble.empty())))
                .isInstanceOf(StoreException.class);
        assertThat(names(run.resolve("checkpoints"))).containsExactly("step-0000250");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 100, 2_000, 2_500})
    void aFullDiskIsAnErrorThatLeavesNothing(int freeBytes) throws IOException {
        CheckpointStore store =
                new CheckpointStore(Storage.of(hadoop(run), HADOOP), hadoop(run.resolve("checkpoints")), 3);
        save(store, checkpoint(250, OptionalDouble.empty()));
        CheckpointStore full = new CheckpointStore(
                new Storage(new FullDisk(freeBytes, HADOOP), HADOOP), hadoop(run.resolve("checkpoints")), 1);

        assertThatThrownBy(() -> save(full, checkpoint(500, OptionalDouble.empty())))
                .isInstanceOf(CheckpointException.class)
                .message()
                .contains("could not write checkpoint step-0000500", "No space left on device", "--resume")
                .doesNotContain("\n");
        assertThat(names(run.resolve("checkpoints"))).containsExactly("step-0000250");
        assertThat(store.load(store.list().get(0), new LoadedTensors()).step()).isEqualTo(250);
    }
}
