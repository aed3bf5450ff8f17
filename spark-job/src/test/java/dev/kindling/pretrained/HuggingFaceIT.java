package dev.kindling.pretrained;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.checkpoint.CheckpointStore;
import dev.kindling.checkpoint.LoadedTensors;
import dev.kindling.job.CommandRuns;
import dev.kindling.job.CommandRuns.Printed;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A Hugging Face folder in, a Hugging Face folder out, with training, scoring and sampling between. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class HuggingFaceIT {
    @TempDir
    private static Path folder;

    private CommandRuns runs;
    private Path corpus;
    private Path pretrained;

    @BeforeAll
    void begin() throws IOException {
        runs = new CommandRuns("60s");
        corpus = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        pretrained = TinyFolder.of("transformer.", "F32", 2).writeTo(folder.resolve("pretrained"));
    }

    @AfterAll
    void stop() {
        runs.close();
    }

    private Printed tune(Path out, String... more) {
        String[] settings = {
            "model.n_layer=2",
            "model.n_embd=8",
            "model.block_size=8",
            "model.bias=true",
            "model.activation=gelu_tanh",
            "train.init_from=" + pretrained,
            "train.max_steps=20"
        };
        String[] all = new String[2 * settings.length + more.length];
        for (int i = 0; i < settings.length; i++) {
            all[2 * i] = "--set";
            all[2 * i + 1] = settings[i];
        }
        System.arraycopy(more, 0, all, 2 * settings.length, more.length);
        return runs.train(out, corpus.toString(), all);
    }

    @Test
    void anImportedModelIsScoredAndContinued() {
        Path out = folder.resolve("imported");
        Printed printed =
                runs.run("import", "--from", "" + pretrained, "--out", "" + out).done();
        assertThat(printed.out()).contains("context 16, tokenizer char (45 characters)", "run directory: ");
        runs.run(
                        "evaluate",
                        "--checkpoint",
                        "" + out,
                        "--data",
                        "" + corpus,
                        "--out",
                        folder.resolve("scores") + "",
                        "--device",
                        "cpu")
                .done();
        Printed written = runs.run(
                        "generate",
                        "--checkpoint",
                        "" + out,
                        "--prompt",
                        "ROMEO:",
                        "--device",
                        "cpu",
                        "--max-tokens",
                        "5")
                .done();
        assertThat(written.out()).startsWith("ROMEO:");
        for (String[] format :
                new String[][] {{"gguf", "llama.cpp", "model.gguf"}, {"nanogpt", "nanoGPT", "model_args.json"}}) {
            Path exported = folder.resolve(format[0]);
            Printed made = runs.run("export", "--checkpoint", "" + out, "--format", format[0], "--out", "" + exported)
                    .done();
            assertThat(made.out()).contains("for " + format[1] + ": ");
            assertThat(exported.resolve(format[2])).exists();
        }
    }

    @Test
    void anOldFolderWithAVocabularyAndMergesIsTunedAndWrites() throws IOException {
        Path old = TinyFolder.of("", "F16", 1).withMerges().writeTo(folder.resolve("old"));
        Path config = old.resolve("config.json");
        Files.writeString(config, Files.readString(config).replace("\"n_positions\":16,", ""));
        Path letters = Files.writeString(folder.resolve("letters.txt"), "the hat is on the mat.\n".repeat(60));
        Path tuned = folder.resolve("tuned-old");
        runs.train(
                        tuned,
                        "" + letters,
                        ("--set model.n_layer=2 --set model.n_embd=8 --set model.block_size=8 --set model.bias=true --set"
                                        + " model.activation=gelu_tanh --set train.max_steps=12 --set data.tokenizer=bpe --set"
                                        + " train.init_from=" + old)
                                .split(" "))
                .done();
        Printed written = runs.run(
                        "generate",
                        "--checkpoint",
                        "" + tuned,
                        "--prompt",
                        "the",
                        "--device",
                        "cpu",
                        "--max-tokens",
                        "4")
                .done();
        assertThat(written.out()).startsWith("the");
    }

    @Test
    void aFolderIsFineTunedAndExported() throws IOException {
        Path tuned = folder.resolve("tuned");
        Printed printed = tune(tuned, "--export", "hf").done();
        assertThat(printed.out()).contains("for transformers: ", "activation_function gelu_new");
        assertThat(tuned.resolve("data/manifest.json")).exists();
        Path back = folder.resolve("back");
        assertThat(runs.run("import", "--from", tuned.resolve("hf") + "", "--out", "" + back)
                        .code())
                .isZero();
        assertThat(CommandRuns.weights(back, 0)).isEqualTo(CommandRuns.weights(tuned, 20));
        Path again = folder.resolve("again");
        assertThat(tune(again).code()).isZero();
        assertThat(CommandRuns.learning(again)).isEqualTo(CommandRuns.learning(tuned));
        tune(tuned, "--resume", "--set", "train.max_steps=25", "--export", "hf").done();
        assertThat(CommandRuns.losses(tuned)).hasSize(25);
        assertThat(tuned.resolve("hf.next")).doesNotExist();

        Files.delete(tuned.resolve("hf/config.json"));
        Printed ended = tune(tuned, "--resume", "--set", "train.max_steps=25", "--export", "hf")
                .done();
        assertThat(ended.out()).contains("for transformers: ");
        assertThat(tuned.resolve("hf/config.json")).exists();
        assertThat(CommandRuns.losses(tuned)).hasSize(25);
    }

    @Test
    void aRunsPositionsAreCroppedAndNotGrown() throws IOException {
        Path whole = folder.resolve("whole");
        assertThat(tune(whole).code()).isZero();
        Path cropped = folder.resolve("cropped");
        String from = "train.init_from=" + whole;
        String shards = "data.corpus=" + whole.resolve("data");
        tune(cropped, "--set", from, "--set", shards, "--set", "model.block_size=5")
                .done();
        assertThat(CommandRuns.losses(cropped)).hasSize(20);
        float[] all = positions(whole, 20);
        assertThat(positions(cropped, 0)).isEqualTo(Arrays.copyOf(all, 5 * 8));
        Path grown = folder.resolve("grown");
        Printed longer = tune(grown, "--set", from, "--set", shards, "--set", "model.block_size=9");
        assertThat(longer.code()).isEqualTo(2);
        assertThat(longer.err())
                .startsWith("kindling: model.block_size is 9, but train.init_from ")
                .contains("has 8 positions, and others were never trained; set it to 8 or less")
                .hasLineCount(1);
        assertThat(grown).doesNotExist();
    }

    private static float[] positions(Path run, long step) throws IOException {
        Configuration hadoop = new Configuration();
        org.apache.hadoop.fs.Path checkpoints =
                new org.apache.hadoop.fs.Path(run.resolve("checkpoints").toUri());
        CheckpointStore store = new CheckpointStore(Storage.of(checkpoints, hadoop), checkpoints, 1);
        return LoadedTensors.ofModel(store, store.committed(step)).values.get("wpe.weight");
    }

    @Test
    void whatDoesNotFitIsRefusedAndNothingIsLeft() throws IOException {
        Path out = folder.resolve("refused");
        Printed longer = tune(out, "--set", "model.block_size=32");
        assertThat(longer.code()).isEqualTo(2);
        assertThat(longer.err()).startsWith("kindling: model.block_size is 32").contains("16 positions");
        Printed other = tune(out, "--set", "data.tokenizer=gpt2");
        assertThat(other.code()).isEqualTo(2);
        assertThat(other.err()).contains("data.tokenizer is gpt2").contains("has char");
        Printed biased = tune(out, "--set", "model.bias=false");
        assertThat(biased.code()).isEqualTo(1);
        assertThat(biased.err()).contains("model.bias is false, but tensor ").hasLineCount(1);
        assertThat(out).doesNotExist();

        Path broken = TinyFolder.of("", "F32", 1).writeTo(folder.resolve("broken"));
        Files.writeString(
                broken.resolve("config.json"),
                Files.readString(broken.resolve("config.json")).replace("\"gpt2\"", "\"llama\""));
        Printed llama = runs.run("import", "--from", "" + broken, "--out", "" + out);
        assertThat(llama.code()).isEqualTo(1);
        assertThat(llama.err())
                .contains("model_type is llama; supported is GPT-2")
                .hasLineCount(1);
        assertThat(out).doesNotExist();
        Printed missing = runs.run("import", "--from", folder.resolve("nowhere") + "", "--out", "" + out);
        assertThat(missing.code()).isEqualTo(2);
        assertThat(missing.err()).contains("nowhere").contains("does not exist");
    }
}
