package dev.kindling.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import dev.kindling.data.shard.LocalShardFolder;
import dev.kindling.data.shard.ShardInfo;
import dev.kindling.data.shard.ShardSeries;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.data.shard.TokenBin;
import dev.kindling.data.shard.TokenSequence;
import dev.kindling.data.token.BpeTokenizer;
import dev.kindling.input.Named;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files of ids in ranges much smaller than those of a job. */
class TokenFilesTest {
    private static final Configuration HADOOP = new Configuration();
    private static final BpeTokenizer GPT2 = new BpeTokenizer();
    private static final int END = BpeTokenizer.END_OF_TEXT;

    @TempDir
    private Path folder;

    private void write(String name, boolean llmC, int... ids) throws IOException {
        TokenSequence tokens = new TokenSequence() {
            @Override
            public long length() {
                return ids.length;
            }

            @Override
            public void copy(long offset, int length, int[] dst, int dstOffset) {
                System.arraycopy(ids, (int) offset, dst, dstOffset, length);
            }
        };
        try (OutputStream out = Files.newOutputStream(folder.resolve(name))) {
            if (llmC) {
                TokenBin.writeLlmC(tokens, 0, ids.length, out);
            } else {
                TokenBin.write(tokens, out);
            }
        }
    }

    private Optional<TokenFiles> files() throws IOException {
        return TokenFiles.of(Named.corpusOption(folder.toString(), Optional.empty()), HADOOP);
    }

    /** Copies the training split as tasks do, and opens it. */
    private ShardSet copied(int rangeTokens) throws IOException {
        LocalShardFolder out = new LocalShardFolder(folder.resolve("shards-" + rangeTokens));
        List<ShardInfo> shards = new ArrayList<>();
        List<TokenRange> ranges = files().orElseThrow().ranges("train", GPT2.endOfText(), rangeTokens, HADOOP);
        for (int i = 0; i < ranges.size(); i++) {
            try (ShardSeries series = new ShardSeries(out, GPT2, "train-" + i, rangeTokens)) {
                shards.addAll(ranges.get(i).copy(series, GPT2, HADOOP));
            }
        }
        return ShardSet.commit(out, "c", GPT2, Map.of("train", shards));
    }

    private static List<List<Integer>> documents(ShardSet set) {
        List<List<Integer>> documents = new ArrayList<>();
        set.documents("train").forEach((start, end) -> {
            int[] ids = new int[(int) (end - start)];
            set.tokens("train").copy(start, ids.length, ids, 0);
            documents.add(Arrays.stream(ids).boxed().toList());
        });
        return documents;
    }

    @Test
    void documentsAreTheSameInRangesOfAnySize() throws IOException {
        write("train.bin", false, 1, 2, END, 3, END, 4, 5, 6, 7, END, 8);
        write("val.bin", false, 1);
        for (int size : new int[] {1, 2, 3, 4, 100}) {
            assertThat(documents(copied(size)))
                    .as("ranges of %d", size)
                    .containsExactly(List.of(1, 2, END), List.of(3, END), List.of(4, 5, 6, 7, END), List.of(8));
        }
    }

    @Test
    void llmCsDocumentsBeginWithTheEndOfTextAndGoOnInTheNextFile() throws IOException {
        write("medieval_train_000001.bin", true, 4, END, 5, 6);
        write("medieval_train_000000.bin", true, END, 1, 2, END, 3);
        write("medieval_val_000000.bin", true, END, 9);
        write("constraint.bin", false, 77);
        for (int size : new int[] {1, 2, 3, 4, 100}) {
            assertThat(documents(copied(size)))
                    .as("ranges of %d", size)
                    .containsExactly(List.of(END, 1, 2), List.of(END, 3, 4), List.of(END, 5, 6));
        }
        assertThat(files().orElseThrow().ranges("val", GPT2.endOfText(), 9, HADOOP))
                .hasSize(1);
    }

    @Test
    void aFolderOfOtherFilesIsNone() throws IOException {
        write("constraint.bin", false, 1);
        write("training.bin", false, 1);
        Files.writeString(folder.resolve("train.txt"), "text");
        assertThat(files()).isEmpty();
        write("my-train.bin", false, 1);
        TokenFiles one = files().orElseThrow();
        assertThatThrownBy(() -> one.ranges("val", GPT2.endOfText(), 9, HADOOP))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("no .bin file with 'val' in its name");
    }
}
