package dev.kindling.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.data.shard.BegunDocuments;
import dev.kindling.data.shard.LocalShardFolder;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.data.shard.TokenSequence;
import dev.kindling.data.token.BpeTokenizer;
import dev.kindling.job.CommandRuns;
import dev.kindling.job.CommandRuns.Printed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** nanoGPT's and llm.c's files of token ids: prepare writes them, prepare and train read them. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(300)
class TokenFilesIT {
    @TempDir
    private static Path folder;

    private CommandRuns runs;
    private Path text;
    private Path texts;

    @BeforeAll
    void begin() throws IOException {
        runs = new CommandRuns("60s");
        text = CommandRuns.writeCorpus(folder.resolve("corpus.txt"));
        texts = Files.createDirectory(folder.resolve("texts"));
        for (int i = 0; i < 8; i++) {
            Files.writeString(texts.resolve("t" + i + ".txt"), "Text number " + i + " has its words.\n".repeat(3 + i));
        }
    }

    @AfterAll
    void stop() {
        runs.close();
    }

    private Printed prepare(Path corpus, String tokenizer, Path out, String... more) {
        return runs.run(Stream.concat(
                        Stream.of("prepare", "--corpus", "" + corpus, "--tokenizer", tokenizer, "--out", "" + out),
                        Stream.of(more))
                .toArray(String[]::new));
    }

    private Path prepared(Path corpus, String tokenizer, String... more) {
        Path out = folder.resolve("prepared-" + System.nanoTime());
        prepare(corpus, tokenizer, out, more).done();
        return out;
    }

    private static List<Integer> ids(TokenSequence tokens) {
        int[] all = new int[(int) tokens.length()];
        tokens.copy(0, all.length, all, 0);
        return Arrays.stream(all).boxed().toList();
    }

    private static List<Long> starts(ShardSet set, String split) {
        List<Long> starts = new ArrayList<>();
        set.documents(split).forEach((start, end) -> starts.add(start));
        return starts;
    }

    private static ShardSet shards(Path folder) {
        return ShardSet.open(new LocalShardFolder(folder));
    }

    @Test
    void idsOfCharactersTrainAsTheirTextDoes() throws IOException {
        Path files = prepared(text, "char", "--format", "nanogpt");
        assertThat(files.toFile().list()).containsExactlyInAnyOrder("train.bin", "val.bin", "meta.pkl");
        Path ofText = folder.resolve("of-text");
        Path ofIds = folder.resolve("of-ids");
        String[] steps = {"--set", "train.max_steps=12", "--set", "train.eval_interval=6"};
        assertThat(runs.train(ofText, "" + text, steps).code()).isZero();
        Printed divided =
                runs.train(ofIds, "" + files, steps[0], steps[1], steps[2], steps[3], "--set", "data.val_fraction=0.3");
        assertThat(divided.done().out()).contains("data.val_fraction 0.3 is not applied");
        assertThat(CommandRuns.learning(ofIds)).isEqualTo(CommandRuns.learning(ofText));
        assertThat(CommandRuns.weights(ofIds, 12)).isEqualTo(CommandRuns.weights(ofText, 12));
    }

    @Test
    void gpt2sIdsKeepTheirDocumentsWhereverTheEndOfTextIs() {
        ShardSet direct = shards(prepared(texts, "gpt2"));
        ShardSet nanoGpt = shards(prepared(prepared(texts, "gpt2", "--format", "nanogpt"), "gpt2"));
        Path files = prepared(texts, "gpt2", "--format", "llmc");
        assertThat(files.toFile().list()).containsExactlyInAnyOrder("tokens_train_000000.bin", "tokens_val_000000.bin");
        ShardSet llmC = shards(prepared(files, "gpt2"));
        for (String split : List.of("train", "val")) {
            assertThat(ids(nanoGpt.tokens(split))).isEqualTo(ids(direct.tokens(split)));
            assertThat(starts(nanoGpt, split)).isEqualTo(starts(direct, split));
            TokenSequence begun = new BegunDocuments(direct.tokens(split), BpeTokenizer.END_OF_TEXT);
            assertThat(ids(llmC.tokens(split))).isEqualTo(ids(begun));
            List<Long> starts = starts(llmC, split);
            assertThat(starts).hasSameSizeAs(starts(direct, split));
            starts.forEach(start -> assertThat(ids(begun).get(start.intValue())).isEqualTo(BpeTokenizer.END_OF_TEXT));
        }
        assertThat(starts(direct, "train")).hasSizeGreaterThan(4);
    }

    private void refused(Printed printed, int code, Path out, String... said) {
        printed.refused(code, said);
        assertThat(out).doesNotExist();
    }

    @Test
    void idsThatMeanNothingAreRefusedAndNothingIsLeft() throws IOException {
        Path files = Files.createDirectory(folder.resolve("files"));
        Path out = folder.resolve("refused");
        Files.write(files.resolve("train.bin"), new byte[] {1, 0, 0x51, (byte) 0xc4}); // 1 and 50257
        refused(prepare(files, "gpt2", out), 1, out, "no .bin file with 'val' in its name");
        Files.write(files.resolve("val.bin"), new byte[] {1, 0});
        refused(prepare(files, "gpt2", out), 1, out, "train.bin holds id 50,257 at position 1, outside the gpt2");
        refused(prepare(files, "char", out), 1, out, "no meta.pkl, which would say of which characters");
        refused(prepare(files, "gpt2", out, "--column", "x"), 2, out, "is no table");
        Files.write(files.resolve("val.bin"), new byte[] {1, 0, 2});
        refused(prepare(files, "gpt2", out), 1, out, "val.bin holds 3 bytes, which is no sequence of uint16");
        refused(prepare(text, "char", out, "--format", "llmc"), 2, out, "--format llmc is of GPT-2's ids alone");
    }
}
