package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.config.ConfigException;
import dev.kindling.config.ConfigOverrides;
import dev.kindling.config.Overrides;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.job.options.AttentionOptions;
import dev.kindling.job.options.PlanOptions;
import dev.kindling.job.options.ProfileOptions;
import dev.kindling.session.DriverDevice;
import dev.kindling.tensor.DType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The commands that need a device and no executors, on the CPU. */
class DeviceJobsTest {
    private static final String NUMBER = "[0-9.e-]+";

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);

    @TempDir
    private Path folder;

    private static AttentionOptions attention(Optional<DType> dtype, float dropout) {
        return attention(List.of(13, 65), dtype, dropout, false, OptionalInt.empty());
    }

    private static AttentionOptions attention(
            List<Integer> lengths, Optional<DType> dtype, float dropout, boolean module, OptionalInt packed) {
        return new AttentionOptions(2, 2, lengths, 32, dtype, true, true, dropout, module, packed, DeviceChoice.CPU);
    }

    @Test
    void attentionPrintsTimesErrorsAndReasons() {
        new AttentionJob(out).run(attention(Optional.empty(), 0.2f));
        String printed = bytes.toString(StandardCharsets.UTF_8);
        for (int length : new int[] {13, 65}) {
            String numbers = " +%1$s +%1$s +%1$s +%1$s +[0-9,]+ +[0-9.e+-]+ +[0-9]+\\R".formatted(NUMBER);
            assertThat(printed).containsPattern(length + " +MATH" + numbers);
            assertThat(printed).containsPattern(length + " +FLASH" + numbers);
            assertThat(printed).containsPattern(length + " +EFFICIENT +cannot run: .+");
        }
        assertThat(printed).doesNotContain("DISAGREES");
    }

    /** The gradients of queries and keys are zero there, but for rounding. */
    @Test
    void backendsAgreeOnASequenceOfOneToken() {
        new AttentionJob(out).run(attention(List.of(1), Optional.empty(), 0, false, OptionalInt.empty()));
        assertThat(bytes.toString(StandardCharsets.UTF_8))
                .containsPattern("1 +FLASH .+")
                .doesNotContain("DISAGREES");
    }

    @Test
    void attentionInHalfPrecisionNeedsAGpu() {
        assertThatThrownBy(() -> new AttentionJob(out).run(attention(Optional.of(DType.BF16), 0)))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("the CPU computes attention in fp32");
    }

    @Test
    void aLayerIsTimedWithItsOperators() {
        new AttentionJob(out).run(attention(List.of(13), Optional.empty(), 0, true, OptionalInt.empty()));
        assertThat(bytes.toString(StandardCharsets.UTF_8))
                .contains("causal self-attention layer of 64 channels, B2 H2 T13 D32 F32: forward and backward")
                .containsPattern("eager +%s  flash".formatted(NUMBER))
                .containsPattern("flash_attention backward +%s +%s%% +25 ".formatted(NUMBER, NUMBER));
    }

    @Test
    void packedSequencesAreTimedBesidePaddedOnes() {
        new AttentionJob(out).run(attention(List.of(65), Optional.empty(), 0, false, OptionalInt.of(20)));
        int rows = Arrays.stream(AttentionLayerTimes.lengths(2, 65, 20)).sum();
        assertThat(bytes.toString(StandardCharsets.UTF_8))
                .containsPattern("padded +%s  130 rows, flash".formatted(NUMBER))
                .containsPattern("packed +%s  %d rows, flash".formatted(NUMBER, rows))
                .contains(String.format(Locale.ROOT, "%.1f %% of the padded rows", 100 * (1 - rows / 130.0)));
    }

    @Test
    void lengthsAreSpreadAroundTheirMean() {
        assertThat(AttentionLayerTimes.lengths(1000, 512, 512)).containsOnly(512);
        assertThat(AttentionLayerTimes.lengths(1000, 512, 1)).containsOnly(1);
        int[] lengths = AttentionLayerTimes.lengths(1000, 512, 256);
        assertThat(Arrays.stream(lengths).min().orElseThrow()).isBetween(1, 8);
        assertThat(Arrays.stream(lengths).max().orElseThrow()).isBetween(504, 512);
        assertThat(Arrays.stream(lengths).average().orElseThrow()).isBetween(240.0, 272.0);
    }

    @Test
    void aLayerInHalfPrecisionIsTheOneOfTraining() {
        AttentionOptions options = attention(List.of(13), Optional.of(DType.F16), 0, true, OptionalInt.empty());
        assertThatThrownBy(() -> new AttentionLayerTimes(options, true, DType.F16, out))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("bf16 or fp32");
    }

    private static ProfileOptions profile(Path to) {
        return new ProfileOptions(
                Optional.of("shakespeare-char-cpu"),
                to.toString(),
                2,
                Overrides.set(
                        "model.n_layer=2",
                        "model.n_embd=32",
                        "model.n_head=2",
                        "model.block_size=13",
                        "train.global_batch=4",
                        "train.micro_batch=2",
                        "cluster.device=cpu"));
    }

    private String plan(String... settings) throws IOException {
        bytes.reset();
        ConfigOverrides overrides = Overrides.set(Stream.concat(Stream.of("cluster.executors=1"), Stream.of(settings))
                .toArray(String[]::new));
        new PlanJob(out).run(new PlanOptions(Optional.of("shakespeare-char"), Optional.of("80g"), overrides));
        return bytes.toString(StandardCharsets.UTF_8);
    }

    @Test
    void planTakesTheVocabularyOfTheCorpusWhereItCanBeRead() throws IOException {
        Path text = Files.writeString(folder.resolve("text.txt"), "to be or not to be\n");
        assertThat(plan("data.corpus=" + text)).startsWith("with the vocabulary of " + text + ": 8\n");
        assertThat(plan("data.corpus=" + text, "data.tokenizer=gpt2"))
                .startsWith("with the vocabulary of " + text + ": 50,257\n");
        assertThat(plan()).startsWith("with the vocabulary of shakespeare: ");
        assertThat(plan("data.corpus=" + folder.resolve("none")))
                .startsWith("with a vocabulary of 65, as ")
                .contains("none")
                .contains("; train plans with that of its text\nmemory of ");
    }

    @Test
    void planForAGpuNeedsNoneHere() throws IOException {
        assumeThat(DriverDevice.gpus(DeviceChoice.AUTO)).isZero();
        for (Optional<String> config : List.of(Optional.of("shakespeare-char"), Optional.<String>empty())) {
            bytes.reset();
            new PlanJob(out).run(new PlanOptions(config, Optional.of("80g"), ConfigOverrides.NONE));
            assertThat(bytes.toString(StandardCharsets.UTF_8)).isEqualTo(plan());
        }
    }

    @Test
    void planRefusesWhatTrainWouldRefuse() {
        assertThatThrownBy(() -> plan("cluster.executors=3"))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("lower --executors to 1, or train.micro_batch to 16");
        assertThatThrownBy(() -> plan("cluster.executors=6")).hasMessageContaining("train.micro_batch to 8");
        assertThatThrownBy(() -> plan("cluster.executors=65"))
                .hasMessageContaining("lower --executors to 1, or raise train.global_batch to 65 or more");
        ConfigOverrides fp8 = Overrides.set("cluster.executors=1", "train.precision=fp8");
        assumeThat(DriverDevice.gpus(DeviceChoice.AUTO)).isZero();
        assertThatThrownBy(() ->
                        new PlanJob(out).run(new PlanOptions(Optional.of("shakespeare-char"), Optional.empty(), fp8)))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("needs a Hopper GPU");
    }

    @ParameterizedTest
    @ValueSource(strings = {"80", "-1g", "x", "99999999t"})
    void planRefusesASizeOfMemoryThatIsNone(String size) {
        PlanOptions options = new PlanOptions(Optional.of("gpt2-124m"), Optional.of(size), ConfigOverrides.NONE);
        assertThatThrownBy(() -> new PlanJob(out).run(options))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining(size)
                .hasMessageContaining("give it a size like 80g or 500m");
        assertThat(bytes.size()).isZero();
    }

    @Test
    void profilePrintsTheTableAndWritesBothFiles() throws Exception {
        Path to = folder.resolve("profile");
        new ProfileJob(out).run(profile(to));
        assertThat(bytes.toString(StandardCharsets.UTF_8))
                .contains("self device ms", "residual_layernorm", "2 steps of 52 tokens");

        ObjectMapper json = new ObjectMapper();
        assertThat(json.readTree(to.resolve("operators.json").toFile()).has("joules_per_thousand_tokens"))
                .as("a CPU counts no energy")
                .isFalse();
        JsonNode events = json.readTree(to.resolve("trace.json").toFile()).get("traceEvents");
        assertThat(events.get(0).get("ph").asText()).isEqualTo("M");
        double traced = 0;
        for (int i = 1; i < events.size(); i++) {
            assertThat(events.get(i).get("dur").asDouble()).isNotNegative();
            traced += events.get(i).get("dur").asDouble();
        }
        JsonNode operators =
                json.readTree(to.resolve("operators.json").toFile()).get("operators");
        double micros = 0;
        double share = 0;
        int calls = 0;
        for (JsonNode row : operators) {
            micros += row.get("self_device_micros").asDouble();
            share += row.get("share").asDouble();
            calls += row.get("calls").asInt();
        }
        assertThat(calls).isEqualTo(events.size() - 1);
        assertThat(share).isBetween(1 - 1e-9, 1 + 1e-9);
        assertThat(micros).isBetween(traced - calls * 1e-3, traced + calls * 1e-3);
        try (var files = Files.list(to)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder("trace.json", "operators.json");
        }
    }

    @Test
    void profileTellsWhyABackendCannotRunInOneLineAndWritesNothing() {
        ProfileOptions options = profile(folder.resolve("refused"));
        List<String> set = new ArrayList<>(options.overrides().set());
        set.add("cluster.attention=efficient");
        ConfigOverrides overrides = Overrides.set(set.toArray(String[]::new));
        assertThatThrownBy(() ->
                        new ProfileJob(out).run(new ProfileOptions(options.config(), options.out(), 1, overrides)))
                .isInstanceOf(FatalJobException.class)
                .hasMessageContaining("EFFICIENT runs on CUDA only")
                .hasMessageNotContaining("\n");
        assertThat(folder.resolve("refused")).doesNotExist();
    }

    @Test
    void profileLeavesWhatIsThereAlone() {
        assertThatThrownBy(() -> new ProfileJob(out).run(profile(folder)))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("exists already; choose another --out");
    }
}
