package dev.kindling.pretrained;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.checkpoint.Checkpoint;
import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.config.ModelSection;
import dev.kindling.config.ModelSection.Activation;
import dev.kindling.config.TrainConfig;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.interop.Gpt2Tensors;
import dev.kindling.interop.TensorContent;
import dev.kindling.interop.WeightType;
import dev.kindling.model.GptConfigs;
import dev.kindling.storage.Storage;
import dev.kindling.tensor.DType;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Import and export of a model of 157 MB, of which the position table alone is 101 MB, by a process with a heap of 64 MiB. */
class SmallHeapTest {
    private static final ModelSection MODEL = new ModelSection(2, 8, 768, 32_768, 0, true, Activation.GELU_TANH);

    @TempDir
    private Path folder;

    @Test
    @Timeout(120)
    void modelsPassThroughAHeapThatWouldNotHoldThem() throws Exception {
        List<String> command = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx64m"));
        command.addAll(List.of("--add-modules=jdk.incubator.vector", "-cp", System.getProperty("java.class.path")));
        command.addAll(List.of(InASmallHeap.class.getName(), folder.toString()));
        Path log = folder.resolve("log.txt");
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        try {
            assertThat(process.waitFor(110, TimeUnit.SECONDS)).isTrue();
        } finally {
            process.destroyForcibly();
        }
        assertThat(process.exitValue()).as(Files.readString(log)).isZero();

        Path original = folder.resolve("run/step-0000000/model.safetensors");
        assertThat(Files.size(original)).isGreaterThan(150_000_000);
        assertThat(Files.mismatch(folder.resolve("imported/step-0000000/model.safetensors"), original))
                .isEqualTo(-1);
        assertThat(folder.resolve("nanogpt")).isNotEmptyDirectory();
        assertThat(folder.resolve("gguf")).isNotEmptyDirectory();
    }

    /** What the process does. */
    static final class InASmallHeap {
        public static void main(String[] args) throws IOException {
            Configuration hadoop = new Configuration();
            Path folder = Path.of(args[0]);
            org.apache.hadoop.fs.Path checkpoint = random(folder.resolve("run"), hadoop);
            HuggingFaceExport.write(checkpoint, DType.F32, at(folder.resolve("hf")), hadoop);
            NanoGptExport.write(checkpoint, DType.F32, at(folder.resolve("nanogpt")), hadoop);
            GgufExport.write(checkpoint, WeightType.F16, at(folder.resolve("gguf")), hadoop);
            PretrainedModel imported = PretrainedModel.open(at(folder.resolve("hf")), hadoop);
            imported.save(imported.config(), store(folder.resolve("imported"), hadoop));
        }

        private static org.apache.hadoop.fs.Path at(Path path) throws IOException {
            return new org.apache.hadoop.fs.Path(Files.createDirectories(path).toUri());
        }

        private static CheckpointStore store(Path folder, Configuration hadoop) throws IOException {
            org.apache.hadoop.fs.Path path = at(folder);
            return new CheckpointStore(Storage.of(path, hadoop), path, 1);
        }

        private static org.apache.hadoop.fs.Path random(Path folder, Configuration hadoop) throws IOException {
            TrainConfig config = TrainConfig.defaults()
                    .withModel(model -> MODEL)
                    .withData(data -> data.withTokenizer(TokenizerKind.CHAR));
            CharTokenizer tokenizer = CharTokenizer.of("to be or not".codePoints());
            Map<String, TensorContent> contents = new TreeMap<>();
            Gpt2Tensors.all(GptConfigs.of(MODEL, tokenizer.vocabSize()))
                    .forEach((name, shape) -> contents.put(name, new TensorContent(shape, sink -> fill(shape, sink))));
            CheckpointState state = new CheckpointState(
                    0, config.toTree(), tokenizer.toJson(), 1, 0, 1, OptionalDouble.empty(), OptionalLong.empty());
            return store(folder, hadoop).save(new Checkpoint(state, contents, Map.of()));
        }

        private static void fill(List<Long> shape, TensorContent.Sink sink) throws IOException {
            SplittableRandom random = new SplittableRandom(shape.hashCode());
            long left = shape.stream().reduce(1L, Math::multiplyExact);
            FloatBuffer piece = FloatBuffer.allocate(1 << 14);
            for (; left > 0; left -= piece.limit()) {
                piece.clear().limit((int) Math.min(piece.capacity(), left));
                for (int i = 0; i < piece.limit(); i++) {
                    piece.put(i, (float) random.nextDouble() - 0.5f);
                }
                sink.take(piece);
            }
        }
    }
}
