package dev.kindling.prepare;

import dev.kindling.data.shard.ShardFolder;
import dev.kindling.data.shard.ShardInfo;
import dev.kindling.data.shard.ShardSeries;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.data.token.Tokenizers;
import dev.kindling.storage.HadoopShardFolder;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;

/** Copies the ranges of a split to shards, a task each. */
record TokenCopy(String folder, String tokenizer, String split, List<TokenRange> ranges) implements Serializable {
    TokenCopy {
        ranges = List.copyOf(ranges);
    }

    List<ShardInfo> run(JavaSparkContext spark) throws Exception {
        List<ShardInfo> shards = new ArrayList<>();
        for (String written : new Division(List.of(), ranges.size()).runToTheLastAttempt(spark, this::copy)) {
            shards.addAll(WrittenShards.parse(written).train());
        }
        return shards;
    }

    private String copy(int number) throws IOException {
        ShardFolder target = HadoopShardFolder.at(new Path(folder), Storage.settings());
        Tokenizer vocabulary = Tokenizers.fromJson(tokenizer, "the driver's vocabulary");
        String attempt = UUID.randomUUID().toString().substring(0, 8); // as Writing's
        String prefix = String.format(Locale.ROOT, "%s-%05d-%s", split, number, attempt);
        try (ShardSeries series = new ShardSeries(target, vocabulary, prefix, ShardSeries.DEFAULT_SHARD_TOKENS)) {
            return new WrittenShards(ranges.get(number).copy(series, vocabulary, Storage.settings()), List.of())
                    .toJson();
        }
    }
}
