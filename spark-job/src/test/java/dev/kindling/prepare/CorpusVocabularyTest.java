package dev.kindling.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.data.corpus.CorpusSplit;
import dev.kindling.data.shard.LocalShardFolder;
import dev.kindling.data.shard.ShardInfo;
import dev.kindling.data.shard.ShardSeries;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.input.Named;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CorpusVocabularyTest {
    @TempDir
    private Path folder;

    private static OptionalInt of(Path corpus, TokenizerKind tokenizer) throws IOException {
        return CorpusVocabulary.of(
                Named.corpusOption(corpus.toString(), Optional.empty()), tokenizer, new Configuration());
    }

    @Test
    void textHasAsManyIdsAsCharactersOrThoseOfItsTokenizer() throws IOException {
        Path text = Files.writeString(folder.resolve("text.txt"), "banana\n");
        assertThat(of(text, TokenizerKind.CHAR)).hasValue(4);
        assertThat(of(text, TokenizerKind.GPT2)).hasValue(50_257);
    }

    @Test
    void preparedShardsSayIt() throws IOException {
        CharTokenizer tokenizer = CharTokenizer.of("to be".codePoints());
        LocalShardFolder shards = new LocalShardFolder(folder.resolve("shards"));
        List<ShardInfo> train;
        try (ShardSeries series = new ShardSeries(shards, tokenizer, CorpusSplit.TRAIN, 100)) {
            series.add("a", "to be");
            series.endDocument();
            train = series.finish();
        }
        ShardSet.commit(shards, "a", tokenizer, Map.of(CorpusSplit.TRAIN, train, CorpusSplit.VAL, train));
        assertThat(of(folder.resolve("shards"), TokenizerKind.GPT2)).hasValue(tokenizer.vocabSize());
    }

    @Test
    void longTextIsNotReadForItsCharacters() throws IOException {
        Path text = folder.resolve("long.txt");
        try (RandomAccessFile file = new RandomAccessFile(text.toFile(), "rw")) {
            file.setLength(65L << 20);
        }
        assertThat(of(text, TokenizerKind.CHAR)).isEmpty();
    }
}
