package dev.kindling.pretrained;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.interop.ModelFileException;
import dev.kindling.local.GenerationOptions;
import dev.kindling.local.LanguageModel;
import dev.kindling.model.GptConfigs;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The checkpoints that training writes, as a program without Spark opens them. */
class LocalCheckpointTest {
    private static final String TEXT = "To be or not to be said he.";

    @TempDir
    private Path folder;

    private PretrainedModel pretrained;

    @BeforeEach
    void writeRun() throws IOException {
        Configuration hadoop = new Configuration(false);
        org.apache.hadoop.fs.Path checkpoints = new org.apache.hadoop.fs.Path(folder.toUri() + "/run/checkpoints");
        CheckpointStore store = new CheckpointStore(Storage.of(checkpoints, hadoop), checkpoints, 9);
        TinyFolder best = TinyFolder.of("", "F32", 1);
        save(best, 20, store);
        TinyFolder newest = TinyFolder.of("", "F32", 1);
        newest.values.get("wpe.weight")[0] += 1;
        newest.weights("", 1);
        save(newest, 30, store);
        best.writeTo(folder.resolve("best"));
        newest.writeTo(folder.resolve("newest"));
    }

    private void save(TinyFolder tiny, long step, CheckpointStore store) throws IOException {
        pretrained = PretrainedModel.open(tiny);
        CheckpointState state = new CheckpointState(
                step,
                pretrained.config().toTree(),
                pretrained.tokenizer().toJson(),
                1,
                0,
                1,
                OptionalDouble.of(1.5),
                OptionalLong.of(20));
        store.save(new Checkpoint(
                state,
                pretrained
                        .model()
                        .weights(GptConfigs.of(
                                pretrained.config().model(),
                                pretrained.tokenizer().vocabSize())),
                Map.of()));
    }

    private LanguageModel load(String path) throws IOException {
        return LanguageModel.load(folder.resolve(path), new CpuDevice(1, Precision.FP32));
    }

    private void assertSame(String path, String folderOfWeights) throws IOException {
        try (LanguageModel model = load(path);
                LanguageModel expected = load(folderOfWeights)) {
            assertThat(model.score(TEXT)).isEqualTo(expected.score(TEXT));
            assertThat(model.generate("ROMEO:", GenerationOptions.DEFAULT))
                    .isEqualTo(expected.generate("ROMEO:", GenerationOptions.DEFAULT));
            assertThat(model.config().blockSize()).isEqualTo(16);
        }
    }

    @Test
    void aRunIsItsBestCheckpointAndACheckpointIsItself() throws IOException {
        assertSame("run", "best");
        assertSame("run/checkpoints/step-0000030", "newest");
    }

    @Test
    void whereTheBestIsGoneTheNewestIsTaken() throws IOException {
        Files.move(folder.resolve("run/checkpoints/step-0000020"), folder.resolve("elsewhere"));
        assertSame("run", "newest");
    }

    @Test
    void damageIsFound() throws IOException {
        Path weights = folder.resolve("run/checkpoints/step-0000020/model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        bytes[bytes.length - 3] ^= 1;
        Files.write(weights, bytes);
        assertThatThrownBy(() -> load("run"))
                .isInstanceOf(ModelFileException.class)
                .hasMessageContaining("model.safetensors is damaged");

        Path state = folder.resolve("run/checkpoints/step-0000030/state.json");
        Files.writeString(state, Files.readString(state).replace("\"world_size\" : 1", "\"world_size\" : 2"));
        assertThatThrownBy(() -> load("run/checkpoints/step-0000030"))
                .isInstanceOf(ModelFileException.class)
                .hasMessageContaining("state.json is damaged: its checksum");
    }

    @Test
    void aRunWithoutACheckpointIsRefused() throws IOException {
        Files.createDirectories(folder.resolve("young/checkpoints/.staged-step-0000010-x"));
        assertThatThrownBy(() -> load("young"))
                .isInstanceOf(ModelFileException.class)
                .hasMessageContaining("holds no committed checkpoint");
    }
}
