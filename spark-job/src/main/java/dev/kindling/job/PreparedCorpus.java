package dev.kindling.job;

import dev.kindling.config.DataSection;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.input.Named;
import dev.kindling.prepare.ShardPreparation;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * The shards of a configuration's corpus, all of them verified.
 *
 * @param folder of the shards
 */
record PreparedCorpus(Path folder, ShardSet shards) {
    /**
     * The shards of {@code data.corpus}: that folder itself if it holds prepared shards, otherwise {@code own}, which
     * is prepared from it if needed.
     *
     * @param vocabulary of the weights that training begins with; empty for that of {@code data.tokenizer}
     */
    static PreparedCorpus of(DataSection data, Optional<Tokenizer> vocabulary, Path own, JavaSparkContext spark)
            throws IOException {
        Configuration hadoop = spark.hadoopConfiguration();
        ShardPreparation preparation = new ShardPreparation(spark);
        Named corpus = Named.corpus(data);
        boolean given = ShardPreparation.isPrepared(corpus, hadoop);
        Path folder = given ? corpus.resolve(hadoop) : own;
        if (given || ShardPreparation.isPrepared(own, hadoop)) {
            return new PreparedCorpus(
                    folder, JobWatch.over(spark.sc(), own.toString(), () -> preparation.openVerified(folder)));
        }
        Storage.of(own, hadoop).files().delete(own, true); // what a killed preparation has left
        ShardPreparation.Request request =
                new ShardPreparation.Request(corpus, data.tokenizer(), vocabulary, data.valFraction());
        return new PreparedCorpus(
                own, JobWatch.over(spark.sc(), own.toString(), () -> preparation.prepare(request, own)));
    }

    /** The size of the vocabulary. */
    int vocabulary() {
        return shards.tokenizer().vocabSize();
    }
}
