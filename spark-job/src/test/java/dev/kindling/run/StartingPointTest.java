package dev.kindling.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import dev.kindling.checkpoint.CheckpointState;
import dev.kindling.config.ConfigException;
import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.config.Overrides;
import dev.kindling.config.TrainConfig;
import dev.kindling.data.corpus.CorpusSplit;
import dev.kindling.data.shard.LocalShardFolder;
import dev.kindling.data.shard.ShardInfo;
import dev.kindling.data.shard.ShardSeries;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.data.token.CharTokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StartingPointTest {
    private static final Configuration HADOOP = new Configuration();

    @TempDir
    private Path folder;

    private static TrainConfig config(String... settings) {
        return TrainConfig.defaults().with(Overrides.set(settings));
    }

    @Test
    void shardsSayTheirTokenizerWhateverTheConfigurationSays() throws IOException {
        CharTokenizer tokenizer = CharTokenizer.of("to be".codePoints());
        LocalShardFolder shards = new LocalShardFolder(folder);
        try (ShardSeries series = new ShardSeries(shards, tokenizer, CorpusSplit.TRAIN, 100)) {
            series.add("a", "to be");
            series.endDocument();
            List<ShardInfo> train = series.finish();
            ShardSet.commit(shards, "a", tokenizer, Map.of(CorpusSplit.TRAIN, train, CorpusSplit.VAL, train));
        }
        for (String asked : List.of("char", "gpt2")) {
            StartingPoint start =
                    StartingPoint.ofNew(config("data.corpus=" + folder, "data.tokenizer=" + asked), HADOOP);
            assertThat(start.config().data().tokenizer()).isEqualTo(TokenizerKind.CHAR);
            assertThat(start.vocabulary()).isEmpty();
        }
    }

    @Test
    void bytePairsOfWeightsAreRefusedFromScratch() {
        assertThatThrownBy(() -> StartingPoint.ofNew(config("data.tokenizer=bpe"), HADOOP))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("train.init_from names, but that is scratch");
    }

    /** As text that has grown, in a run that has lost its shards, or shards that were prepared anew. */
    @Test
    void aResumeRefusesACorpusThatHasChanged() {
        JsonNode tokenizer = CharTokenizer.of("to be".codePoints()).toJson();
        CheckpointState state = new CheckpointState(
                4,
                config().toTree(),
                tokenizer,
                1,
                8,
                2,
                OptionalDouble.empty(),
                OptionalLong.empty(),
                List.of(),
                List.of(),
                OptionalLong.of(1000));
        StartingPoint resumed = start(state, 4);
        assertThatThrownBy(() -> resumed.requireCorpus(tokenizer, 1001))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll("has changed", "1,001 tokens and had 1,000 when step-4 was written");
        assertThatCode(() -> {
                    resumed.requireCorpus(tokenizer, 1000);
                    start(state, 0).requireCorpus(tokenizer, 1001); // train.init_from
                })
                .doesNotThrowAnyException();
    }

    private static StartingPoint start(CheckpointState state, long step) {
        return new StartingPoint(
                config(), new org.apache.hadoop.fs.Path("step-4"), state, step, Optional.empty(), Optional.empty());
    }
}
