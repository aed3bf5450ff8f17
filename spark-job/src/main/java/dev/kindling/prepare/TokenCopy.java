package dev.kindling.prepare;

import dev.kindling.data.shard.ShardFolder;
import dev.kindling.data.shard.ShardInfo;
import dev.kindling.data.shard.ShardSeries;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.data.token.Tokenizers;
import dev.kindling.input.TaskInputs;
import dev.kindling.storage.HadoopShardFolder;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import org.apache.hadoop.fs.Path;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaSparkContext;

/** Copies ranges of a split to shards, a task each. */
record TokenCopy(String folder, String tokenizer, String split) implements Serializable {
    List<ShardInfo> run(JavaSparkContext spark, List<TokenRange> ranges) throws Exception {
        List<ShardInfo> shards = new ArrayList<>();
        for (String written : LastAttempts.results(
                spark, TaskInputs.of(spark, ranges.iterator()).map(this::copy))) {
            shards.addAll(WrittenShards.parse(written).train());
        }
        return shards;
    }

    private String copy(TokenRange range) throws IOException {
        ShardFolder target = HadoopShardFolder.at(new Path(folder), Storage.settings());
        Tokenizer vocabulary = Tokenizers.fromJson(tokenizer, "the driver's vocabulary");
        String attempt = UUID.randomUUID().toString().substring(0, 8); // as Writing's
        String prefix = String.format(Locale.ROOT, "%s-%05d-%s", split, TaskContext.getPartitionId(), attempt);
        try (ShardSeries series = new ShardSeries(target, vocabulary, prefix, ShardSeries.DEFAULT_SHARD_TOKENS)) {
            return new WrittenShards(range.copy(series, vocabulary, Storage.settings()), List.of()).toJson();
        }
    }
}
