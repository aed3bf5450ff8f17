package dev.kindling.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.attention.AttentionBackend;
import dev.kindling.attention.Sdpa;
import dev.kindling.data.DataException;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.HuggingFaceTokenizer;
import dev.kindling.device.Gelu;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.interop.Gpt2Tensors;
import dev.kindling.interop.HuggingFaceConfig;
import dev.kindling.interop.HuggingFaceModel;
import dev.kindling.interop.ModelFileException;
import dev.kindling.interop.TensorContent;
import dev.kindling.nn.FlatWeights;
import dev.kindling.nn.Gpt;
import dev.kindling.nn.GptDecoder;
import dev.kindling.nn.parameter.GptConfig;
import dev.kindling.nn.parameter.Parameters;
import dev.kindling.nn.sample.Sampling;
import dev.kindling.tensor.Arena;
import dev.kindling.tensor.DType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;
import java.util.StringJoiner;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** On a model of random weights that is written to disk, on a class path without Spark. */
class LanguageModelTest {
    private static final CharTokenizer CHARACTERS =
            CharTokenizer.of("\n ,.:'BEMORTabcdefghijklmnopqrstuvwxyz".codePoints());

    private static final GptConfig SHAPE = new GptConfig(CHARACTERS.vocabSize(), 16, 2, 2, 16, 0, true, Gelu.Form.TANH);

    @TempDir
    private static Path folder;

    private static final Map<String, float[]> WEIGHTS = new HashMap<>();

    @BeforeAll
    static void writeModel() throws IOException {
        Random random = new Random(7);
        Map<String, TensorContent> contents = new HashMap<>();
        Gpt2Tensors.all(SHAPE).forEach((name, shape) -> {
            float[] values =
                    new float[(int) shape.stream().mapToLong(extent -> extent).reduce(1, (a, b) -> a * b)];
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) random.nextGaussian() * 0.3f;
            }
            WEIGHTS.put(name, values);
            contents.put(name, new TensorContent(shape, sink -> sink.take(FloatBuffer.wrap(values))));
        });
        Files.writeString(
                folder.resolve("config.json"),
                HuggingFaceConfig.toJson(SHAPE, OptionalInt.empty(), DType.F32).toString());
        Files.writeString(
                folder.resolve("tokenizer.json"),
                HuggingFaceTokenizer.toJson(CHARACTERS).toString());
        try (OutputStream out = Files.newOutputStream(folder.resolve("model.safetensors"))) {
            HuggingFaceModel.toFile(contents, SHAPE, DType.F32).writeTo(out);
        }
    }

    private static LanguageModel load() throws IOException {
        return LanguageModel.load(folder, new CpuDevice(1, Precision.FP32));
    }

    /** Of a text that fits the context, token by token, through the decoder and a softmax in double. */
    private static double nats(String text) {
        int[] tokens = CHARACTERS.encode(text);
        try (CpuDevice device = new CpuDevice(1, Precision.FP32)) {
            Arena arena = device.arena("test");
            Parameters parameters = new Parameters(SHAPE, device, arena, false);
            float[] flat = new float[(int) parameters.count()];
            parameters
                    .entries()
                    .forEach(entry -> System.arraycopy(
                            WEIGHTS.get(entry.name()),
                            0,
                            flat,
                            (int) entry.offset(),
                            WEIGHTS.get(entry.name()).length));
            FlatWeights.load(flat, parameters);
            Sdpa sdpa = new Sdpa(device, arena, EnumSet.allOf(AttentionBackend.Kind.class));
            GptDecoder decoder = new GptDecoder(parameters, 1, sdpa, new Gpt.DeviceArena(device, arena));
            float[] logits = new float[SHAPE.vocabulary()];
            double sum = 0;
            for (int i = 0; i + 1 < tokens.length; i++) {
                decoder.next(new int[] {tokens[i]}, logits);
                double all = 0;
                for (float logit : logits) {
                    all += Math.exp(logit);
                }
                sum += Math.log(all) - logits[tokens[i + 1]];
            }
            return sum;
        }
    }

    @Test
    void scoresATextAsADecoderAndASoftmaxDo() throws IOException {
        try (LanguageModel model = load()) {
            String text = "To be, or not";
            TextScore score = model.score(text);
            assertThat(score.tokens()).isEqualTo(12);
            assertThat(score.bytes()).isEqualTo(12);
            assertThat(score.nats()).isCloseTo(nats(text), within(1e-4));
            assertThat(score.loss()).isCloseTo(score.nats() / 12, within(1e-12));
            assertThat(score.perplexity()).isCloseTo(Math.exp(score.loss()), within(1e-12));
            assertThat(score.bitsPerByte()).isCloseTo(score.loss() / Math.log(2), within(1e-12));
        }
    }

    @Test
    void scoresEveryTokenOfATextThatIsLongerThanTheContextOnce() throws IOException {
        try (LanguageModel model = load()) {
            String text = "The more, the better. ".repeat(9);
            assertThat(model.score(text).tokens()).isEqualTo(text.length() - 1);
            String first = text.substring(0, 17);
            double head = model.score(first).nats();
            assertThat(head).isCloseTo(nats(first), within(1e-4));
            assertThat(model.score(text).nats()).isGreaterThan(head);
        }
    }

    @Test
    void continuesAPromptTheSameWayForTheSameSeedAndHandsThePiecesOut() throws IOException {
        try (LanguageModel model = load()) {
            GenerationOptions options =
                    GenerationOptions.DEFAULT.withMaxTokens(30).withSeed(5);
            StringJoiner pieces = new StringJoiner("");
            String text = model.generate("ROMEO:", options, pieces::add);
            assertThat(CHARACTERS.encode(text)).hasSize(30);
            assertThat(pieces).hasToString(text);
            assertThat(model.generate("ROMEO:", options)).isEqualTo(text);
            assertThat(model.generate("ROMEO:", options.withSeed(6))).isNotEqualTo(text);
            String stop = text.substring(9, 11);
            assertThat(model.generate("ROMEO:", options.withStops(stop)))
                    .isEqualTo(text.substring(0, text.indexOf(stop)));
            GenerationOptions greedy = options.withSampling(new Sampling(0, 0, 1));
            assertThat(model.generate("ROMEO:", greedy)).isEqualTo(model.generate("ROMEO:", greedy.withSeed(9)));
        }
    }

    @Test
    void whatItCannotDoIsSaid() throws IOException {
        try (LanguageModel model = load()) {
            assertThatThrownBy(() -> model.score("T"))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("nothing to predict");
            assertThatThrownBy(() -> model.score("")).isInstanceOf(DataException.class);
            assertThatThrownBy(() -> model.score("Zebra"))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("Z");
            assertThatThrownBy(() -> model.generate("", GenerationOptions.DEFAULT))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("the prompt is empty");
        }
        assertThatThrownBy(() -> GenerationOptions.DEFAULT.withMaxTokens(0)).hasMessageContaining("maxTokens is 0");
        assertThatThrownBy(() -> GenerationOptions.DEFAULT.withStops("")).hasMessageContaining("stop string is empty");
        Path empty = Files.createDirectory(folder.resolve("empty"));
        assertThatThrownBy(() -> LanguageModel.load(empty))
                .isInstanceOf(ModelFileException.class)
                .hasMessageContaining("holds no model: neither state.json");
        assertThatThrownBy(() -> LanguageModel.load(folder.resolve("nowhere")))
                .isInstanceOf(ModelFileException.class)
                .hasMessageContaining("nowhere is no folder");
    }

    @Test
    void theExampleOfTheReadmeRuns() throws IOException {
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        PrintStream console = System.out;
        System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
        try {
            LanguageModelExample.main(new String[] {folder.toString(), "ROMEO:"});
        } finally {
            System.setOut(console);
        }
        assertThat(printed.toString(StandardCharsets.UTF_8))
                .startsWith("ROMEO:")
                .containsPattern("\\d\\.\\d{3} bits per byte, perplexity \\d");
    }
}
