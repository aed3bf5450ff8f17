package dev.kindling.pretrained;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThatCode;

import de.kherud.llama.InferenceParameters;
import de.kherud.llama.LlamaModel;
import de.kherud.llama.ModelParameters;
import de.kherud.llama.args.LogFormat;
import dev.kindling.config.ClusterSection.AttentionChoice;
import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.config.ModelSection;
import dev.kindling.config.ModelSection.Activation;
import dev.kindling.config.TrainSection.PrecisionChoice;
import dev.kindling.data.token.BpeTokenizer;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.device.Precision;
import dev.kindling.device.cpu.CpuDevice;
import dev.kindling.generate.GenerationSettings;
import dev.kindling.generate.LoadedGenerator;
import dev.kindling.interop.ModelFileException;
import dev.kindling.interop.WeightType;
import dev.kindling.nn.sample.Sampling;
import dev.kindling.nn.sample.TextGenerator;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** llama.cpp's own library opens what is written for it, and continues a prompt as Kindling does. */
class GgufExportTest {
    private static final Configuration HADOOP = new Configuration();
    private static final CharTokenizer CHARACTERS =
            CharTokenizer.of("\n\t\\ !,.:?ABCDEFGHIJKLMNOPRSTUVWYabcdefghijklmnopqrstuvwxyzéß한😀".codePoints());

    @TempDir
    private Path folder;

    /** It wants libgomp of the host. */
    @BeforeEach
    void requireLibrary() {
        assumeThatCode(() -> LlamaModel.setLogger(LogFormat.TEXT, (level, message) -> {}))
                .doesNotThrowAnyException();
    }

    private org.apache.hadoop.fs.Path checkpoint(Tokenizer tokenizer, boolean bias) throws IOException {
        ModelSection section = new ModelSection(2, 4, 64, 64, 0, bias, Activation.GELU_TANH);
        Map<String, float[]> weights = RandomCheckpoint.weights(section, tokenizer.vocabSize(), 0.25);
        return RandomCheckpoint.write(folder.resolve("run"), section, tokenizer, weights);
    }

    private LlamaModel llama(org.apache.hadoop.fs.Path checkpoint, WeightType type) throws IOException {
        Path out = folder.resolve("gguf");
        GgufExport.write(checkpoint, type, new org.apache.hadoop.fs.Path(out.toUri()), HADOOP);
        return new LlamaModel(new ModelParameters()
                .setModel(out.resolve("model.gguf").toString())
                .setCtxSize(64)
                .setThreads(1));
    }

    private static String ours(org.apache.hadoop.fs.Path checkpoint, String prompt, int tokens) throws IOException {
        GenerationSettings.ModelChoice choice = new GenerationSettings.ModelChoice(
                checkpoint.toString(), DeviceChoice.CPU, PrecisionChoice.FP32, AttentionChoice.MATH, 1);
        try (LoadedGenerator generator =
                LoadedGenerator.load(choice, checkpoint, () -> new CpuDevice(1, Precision.FP32), HADOOP)) {
            List<Integer> drawn = new ArrayList<>();
            TextGenerator.Request request =
                    new TextGenerator.Request(generator.tokenizer().encode(prompt), 1, drawn::add);
            generator.write(List.of(request), tokens, new Sampling(0, 0, 1));
            return generator
                    .tokenizer()
                    .decode(drawn.stream().mapToInt(Integer::intValue).toArray());
        }
    }

    /** 8 bits tell a random model's tokens apart for a while only. */
    private static int tokens(WeightType type) {
        return type == WeightType.Q8_0 ? 8 : 20;
    }

    private static String theirs(LlamaModel llama, String prompt, int tokens) {
        return llama.complete(new InferenceParameters(prompt)
                .setTemperature(0)
                .setNPredict(tokens)
                .setRepeatPenalty(1));
    }

    @ParameterizedTest
    @EnumSource(
            value = WeightType.class,
            names = {"F32", "F16", "Q8_0"})
    void aGpt2GoesOnAsHere(WeightType type) throws IOException {
        org.apache.hadoop.fs.Path checkpoint = checkpoint(new BpeTokenizer(), true);
        String prompt = "ROMEO:\nBut soft, what light";
        try (LlamaModel llama = llama(checkpoint, type)) {
            assertThat(theirs(llama, prompt, tokens(type))).isEqualTo(ours(checkpoint, prompt, tokens(type)));
            StringBuilder everyByte = new StringBuilder();
            IntStream.range(1, 0x180).forEach(everyByte::appendCodePoint);
            for (String text : List.of(
                    everyByte.toString(),
                    "Hello  world\n\n\tit's 1234 o'clock, we'll see",
                    "한국어 中文 日本語 😀👍🏽 é ß",
                    " \u00a0x \r\n ",
                    "\u0001\u007f")) {
                assertThat(llama.encode(text)).as(text).isEqualTo(new BpeTokenizer().encode(text));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"F16, true", "Q8_0, false"})
    void aCharacterModelGoesOnAsHere(WeightType type, boolean bias) throws IOException {
        org.apache.hadoop.fs.Path checkpoint = checkpoint(CHARACTERS, bias);
        String prompt = "ROMEO:\n";
        try (LlamaModel llama = llama(checkpoint, type)) {
            assertThat(theirs(llama, prompt, tokens(type))).isEqualTo(ours(checkpoint, prompt, tokens(type)));
            String text = "Aé ß한\\n\t\\\n😀!";
            assertThat(llama.encode(text)).isEqualTo(CHARACTERS.encode(text));
        }
    }

    @Test
    void widthsThatDoNotDivideIntoBlocksAreRefused() throws IOException {
        ModelSection section = new ModelSection(1, 2, 40, 8, 0, true, Activation.GELU);
        Map<String, float[]> weights = RandomCheckpoint.weights(section, CHARACTERS.vocabSize(), 1);
        org.apache.hadoop.fs.Path checkpoint =
                RandomCheckpoint.write(folder.resolve("run"), section, CHARACTERS, weights);
        org.apache.hadoop.fs.Path out =
                new org.apache.hadoop.fs.Path(folder.resolve("gguf").toUri());
        assertThatThrownBy(() -> GgufExport.write(checkpoint, WeightType.Q8_0, out, HADOOP))
                .isInstanceOf(ModelFileException.class)
                .hasMessageContaining("rows of n_embd 40 do not divide into them; choose F16");
        assertThat(GgufExport.write(checkpoint, WeightType.F16, out, HADOOP))
                .anyMatch(note -> note.startsWith("activation gelu: llama.cpp's GPT-2 has its approximation by tanh"))
                .anyMatch(note -> note.contains("kind rwkv"));
    }
}
