package dev.kindling.prepare;

import dev.kindling.data.shard.ShardSet;
import java.io.IOException;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;

/** Prepares a corpus as {@link ShardPreparation} does, into shards of a size that no user can ask for. */
public final class SmallShards {
    private SmallShards() {}

    /**
     * As {@link ShardPreparation#prepare}.
     *
     * @param shardTokens the most ids in one shard
     */
    public static ShardSet prepare(
            JavaSparkContext spark, ShardPreparation.Request request, Path folder, int shardTokens) throws IOException {
        return new ShardPreparation(spark, shardTokens).prepare(request, folder);
    }
}
