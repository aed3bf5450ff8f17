package dev.kindling.job;

import dev.kindling.data.corpus.CorpusSplit;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.input.Named;
import dev.kindling.job.command.Job;
import dev.kindling.job.options.PrepareOptions;
import dev.kindling.job.options.PrepareOptions.Format;
import dev.kindling.prepare.ShardPreparation;
import dev.kindling.prepare.TokenFilesWriter;
import dev.kindling.run.StagedDirectory;
import dev.kindling.session.SparkSessions;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.Locale;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;

/** Tokenises a corpus into shards, for runs that name their folder as data.corpus, or into nanoGPT's or llm.c's files. */
final class PrepareJob implements Job<PrepareOptions> {
    private static final int EXECUTORS = 2;
    /** Where shards are while they become another format's files. */
    private static final String SHARDS = "shards";

    @Override
    public void run(PrepareOptions options) throws IOException {
        Configuration hadoop = Storage.settings();
        Named corpus = Named.corpusOption(options.corpus(), options.column());
        StagedDirectory results = StagedDirectory.at(options.out(), hadoop);
        ShardPreparation.requireCorpus(corpus, results.out(), hadoop);
        try (results;
                SparkSessions.Application application = SparkSessions.openWithoutBarriers("prepare", EXECUTORS, 0)) {
            JavaSparkContext spark = application.spark();
            boolean shards = options.format() == Format.SHARDS;
            Path folder = shards ? results.path() : results.path(SHARDS);
            ShardSet set = JobWatch.over(
                    spark.sc(),
                    results.out().toString(),
                    () -> new ShardPreparation(spark)
                            .prepare(
                                    new ShardPreparation.Request(
                                            corpus, options.tokenizer(), Optional.empty(), options.valFraction()),
                                    folder));
            switch (options.format()) {
                case SHARDS -> {}
                case NANOGPT -> TokenFilesWriter.writeNanoGpt(set, results.path(), hadoop);
                case LLMC -> TokenFilesWriter.writeLlmC(set, results.path(), hadoop);
            }
            if (!shards) {
                results.delete(SHARDS);
            }
            results.publish();
            System.out.printf(
                    Locale.ROOT,
                    "prepared %s: %,d training and %,d validation tokens, vocabulary %,d (%s), in %s%n",
                    set.corpus(),
                    set.tokens(CorpusSplit.TRAIN).length(),
                    set.tokens(CorpusSplit.VAL).length(),
                    set.tokenizer().vocabSize(),
                    set.tokenizer().id(),
                    results.out());
        }
    }
}
