package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.checkpoint.WhichCheckpoint;
import dev.kindling.config.ConfigOverrides;
import dev.kindling.interop.WeightType;
import dev.kindling.job.command.Job;
import dev.kindling.job.options.ExportOptions;
import dev.kindling.job.options.ImportOptions;
import dev.kindling.job.options.TrainOptions;
import dev.kindling.run.Resume;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ImportExportCommandTest {
    private final List<Object> ran = new ArrayList<>();
    private final StringWriter err = new StringWriter();

    private int run(String... args) {
        Kindling.Jobs jobs =
                new Kindling.Jobs(any(), any(), any(), any(), any(), any(), any(), any(), any(), any(), any());
        PrintWriter out = new PrintWriter(new StringWriter());
        return new Kindling(jobs, Clock.systemUTC(), out, new PrintWriter(err, true)).run(args);
    }

    private <T> Job<T> any() {
        return ran::add;
    }

    @Test
    void importAndExportTakeTheirOptions() {
        assertThat(run("import", "--from", "f", "--out", "o")).isZero();
        assertThat(run("export", "--checkpoint", "r", "--format", "hf", "--out", "o"))
                .isZero();
        String all = "export --checkpoint r --which latest --format hf --dtype bf16 --out o -v";
        assertThat(run(all.split(" "))).isZero();
        assertThat(run("export", "--checkpoint", "r", "--format", "gguf", "--out", "o"))
                .isZero();
        assertThat(run("export --checkpoint r --format gguf --dtype q8_0 --out o".split(" ")))
                .isZero();
        assertThat(ran)
                .containsExactly(
                        new ImportOptions("f", "o"),
                        new ExportOptions("r", WhichCheckpoint.BEST, ExportOptions.Format.HF, WeightType.F32, "o"),
                        new ExportOptions("r", WhichCheckpoint.LATEST, ExportOptions.Format.HF, WeightType.BF16, "o"),
                        new ExportOptions("r", WhichCheckpoint.BEST, ExportOptions.Format.GGUF, WeightType.F16, "o"),
                        new ExportOptions("r", WhichCheckpoint.BEST, ExportOptions.Format.GGUF, WeightType.Q8_0, "o"));
    }

    @Test
    void trainExportsAndGoesOnWhereItIsAsked() {
        assertThat(run("train", "--out", "o", "--resume", "auto", "--export", "hf"))
                .isZero();
        assertThat(ran)
                .containsExactly(new TrainOptions(
                        Optional.empty(),
                        "o",
                        Resume.AUTO,
                        ConfigOverrides.NONE,
                        Optional.of(ExportOptions.Format.HF),
                        Optional.empty(),
                        false));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            train --export onnx         | --export is 'onnx', but it must be
            export --checkpoint r --out o | --format
            export --checkpoint r --out o --format onnx | --format is 'onnx', but it must be
            export --checkpoint r --out o --format hf --dtype fp8 | --dtype is 'fp8', but for --format hf it must be f32 or bf16
            export --checkpoint r --out o --format nanogpt --dtype f16 | --dtype is 'f16', but for --format nanogpt it must be f32 or bf16
            export --checkpoint r --out o --format gguf --dtype bf16 | --dtype is 'bf16', but for --format gguf it must be f16 or q8_0 or f32
            import --out o              | --from
            prepare --corpus x --out y --tokenizer bpe | --tokenizer is 'bpe', but text has no byte pairs of its own
            """)
    void wrongUsageIsExitCode2(String args, String message) {
        assertThat(run(args.split(" "))).isEqualTo(2);
        assertThat(err.toString()).startsWith("kindling: ").contains(message).hasLineCount(1);
        assertThat(ran).isEmpty();
    }

    /** A file, a run, a GGUF folder in place of transformers' folder, and that in place of a run. */
    @Test
    void foldersOfAnotherKindAreToldAsThat(@TempDir Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve("model.gguf"), "GGUF");
        Path run = Files.createDirectory(folder.resolve("run"));
        Files.writeString(run.resolve("config.yaml"), "");
        Path transformers = Files.createDirectory(folder.resolve("hf"));
        Files.writeString(transformers.resolve("config.json"), "{}");
        Kindling kindling = new Kindling(
                Kindling.jobs(), Clock.systemUTC(), new PrintWriter(new StringWriter()), new PrintWriter(err, true));
        String out = folder.resolve("out").toString();
        for (Path from : List.of(file, folder, run)) {
            assertThat(kindling.run("import", "--from", from.toString(), "--out", out))
                    .isEqualTo(2);
        }
        assertThat(kindling.run("generate", "--checkpoint", transformers.toString(), "--prompt", "x"))
                .isEqualTo(2);
        assertThat(err.toString().lines())
                .satisfiesExactly(
                        line -> assertThat(line).contains("model.gguf holds no config.json"),
                        line -> assertThat(line).contains(folder + " holds no config.json"),
                        line -> assertThat(line).contains("run holds no", "but a run, which needs no import"),
                        line -> assertThat(line).contains("hf is a folder of transformers", "import --from"));
    }
}
