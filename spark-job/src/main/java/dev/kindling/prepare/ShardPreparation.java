package dev.kindling.prepare;

import dev.kindling.config.ConfigException;
import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.data.DataException;
import dev.kindling.data.corpus.CorpusSplit;
import dev.kindling.data.corpus.ShakespeareCorpus;
import dev.kindling.data.shard.ShardFolder;
import dev.kindling.data.shard.ShardInfo;
import dev.kindling.data.shard.ShardSeries;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.data.token.BpeTokenizer;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.TextCuts;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.data.token.Tokenizers;
import dev.kindling.input.Named;
import dev.kindling.input.TaskInputs;
import dev.kindling.input.TextInput;
import dev.kindling.storage.HadoopShardFolder;
import dev.kindling.storage.PathException;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.commons.lang3.exception.ExceptionUtils;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * Tokenises a corpus as two Spark stages: tasks count characters and collect the vocabulary, the driver places the cut
 * between training and validation, then tasks write shards, each for a run of documents, and the driver commits those of
 * the attempts that succeeded with the manifest and deletes the rest. The shards do not depend on the number of tasks, but for how tokens are divided between files.
 */
public final class ShardPreparation {
    /** Beyond one for each slot, tasks are as many as have this much to read: what a lost executor costs is bounded. */
    private static final long TASK_BYTES = 1 << 28;

    /** The driver has read so much before tasks have begun. */
    private static final long SMALL_BYTES = 1 << 22;

    private final JavaSparkContext spark;
    private final Configuration hadoop;
    private final int shardTokens;
    private final long bytesHere;

    public ShardPreparation(JavaSparkContext spark) {
        this(spark, ShardSeries.DEFAULT_SHARD_TOKENS);
    }

    /** @param shardTokens the most ids in one shard */
    ShardPreparation(JavaSparkContext spark, int shardTokens) {
        this(spark, shardTokens, 0);
    }

    private ShardPreparation(JavaSparkContext spark, int shardTokens, long bytesHere) {
        this.spark = spark;
        this.hadoop = spark.hadoopConfiguration();
        this.shardTokens = shardTokens;
        this.bytesHere = bytesHere;
    }

    /** One that prepares a small corpus in this process, so that it waits neither for executors nor for tasks. */
    public static ShardPreparation ofSmallHere(JavaSparkContext spark) {
        return new ShardPreparation(spark, ShardSeries.DEFAULT_SHARD_TOKENS, SMALL_BYTES);
    }

    /**
     * What to prepare.
     *
     * @param origin what the manifest says that the tokens are from
     * @param vocabulary to use; empty for the one that {@code tokenizer} names, {@code char} or {@code gpt2}
     * @param validation text to validate on; empty for the end of the corpus
     * @param valFraction in (0, 1), of the corpus, where it is to be divided
     */
    public record Request(
            Named corpus,
            String origin,
            TokenizerKind tokenizer,
            Optional<Tokenizer> vocabulary,
            Optional<Named> validation,
            double valFraction) {
        /** Of a corpus whose end is for validation. */
        public Request(Named corpus, TokenizerKind tokenizer, Optional<Tokenizer> vocabulary, double valFraction) {
            this(corpus, corpus.path(), tokenizer, vocabulary, Optional.empty(), valFraction);
        }
    }

    /** Whether {@code corpus} is a folder that a preparation has finished, which needs none. */
    public static boolean isPrepared(Named corpus, Configuration hadoop) throws IOException {
        return !isShakespeare(corpus) && isPrepared(corpus.resolve(hadoop), hadoop);
    }

    /** Whether a preparation into {@code folder} has finished. */
    public static boolean isPrepared(Path folder, Configuration hadoop) throws IOException {
        return HadoopShardFolder.at(folder, hadoop).exists("manifest.json");
    }

    /** Whether a corpus comes as two parts, one of them for validation: as shards, or as files of token ids. */
    public static boolean isDivided(Named corpus, Configuration hadoop) throws IOException {
        return !isShakespeare(corpus)
                && (isPrepared(corpus, hadoop) || TokenFiles.of(corpus, hadoop).isPresent());
    }

    static boolean isShakespeare(Named corpus) {
        return corpus.path().equals(ShakespeareCorpus.ID);
    }

    /**
     * Fails, without reading it, if a corpus is not there.
     *
     * @param out where the run or its shards will be, which is not to become part of the corpus
     * @throws PathException if there is no such corpus
     * @throws ConfigException if {@code out} is in it, or a column is named that does not fit it
     * @throws DataException if it has no text
     */
    public static void requireCorpus(Named corpus, Path out, Configuration hadoop) throws IOException {
        if (!isShakespeare(corpus) && !isDivided(corpus, hadoop)) {
            TextInput.of(corpus, hadoop);
            corpus.requireOutside(out, hadoop);
        } else if (corpus.column() != null) {
            throw new ConfigException("%s is no table, so it has no columns; drop %s", corpus, corpus.columnOption());
        }
    }

    /** The corpus by a name that means the same everywhere: {@code shakespeare}, or a qualified path. */
    public static String qualified(Named corpus, Configuration hadoop) throws IOException {
        return isShakespeare(corpus) ? corpus.path() : corpus.resolve(hadoop).toString();
    }

    /** Opens a folder of shards by its qualified path. */
    public static ShardSet open(String folder, Configuration hadoop) throws IOException {
        return ShardSet.open(HadoopShardFolder.at(new Path(folder), hadoop));
    }

    /**
     * Opens a folder of shards to work with. Where they were written before there were checksums of blocks, every one is read
     * first, so that damage is found before the work begins.
     *
     * @throws DataException naming a shard that is damaged
     */
    public ShardSet openChecked(Path folder) throws IOException {
        ShardSet set = open(folder.toString(), hadoop);
        if (!set.isCheckedByBlock()) {
            verify(set, folder);
        }
        return set;
    }

    /** Reads every shard: here where they lie on this host, else by tasks. */
    private void verify(ShardSet set, Path folder) {
        long tokens = set.shards().stream().mapToLong(ShardInfo::tokens).sum();
        if (HadoopShardFolder.isLocal(folder) || tokens <= bytesHere) {
            set.shards().forEach(set::verify);
            return;
        }
        try {
            Verifying verifying =
                    new Verifying(folder.toString(), Tokenizers.toJson(set.tokenizer()), set.isCheckedByBlock());
            TaskInputs.of(spark, set.shards().iterator()).foreach(verifying::verify);
        } catch (Exception e) { // Spark throws its SparkException, a checked one, undeclared
            throw causeOf(e);
        }
    }

    private record Verifying(String folder, String tokenizer, boolean checkedByBlock) implements Serializable {
        void verify(ShardInfo shard) throws IOException {
            ShardSet.verify(
                    HadoopShardFolder.at(new Path(folder), Storage.settings()),
                    Tokenizers.fromJson(tokenizer, "the driver's vocabulary"),
                    shard,
                    checkedByBlock);
        }
    }

    /**
     * Writes the shards of a corpus into {@code folder}, which is this preparation's alone, and reads every one of them
     * back. A corpus that nanoGPT or llm.c has prepared keeps its tokens and its division into training and validation.
     *
     * @throws DataException if the corpus is missing, empty or not text, or the folder cannot be written, already
     *     holds shards, or does not hold what was written to it; then nothing is left behind
     */
    public ShardSet prepare(Request request, Path folder) throws IOException {
        ShardFolder target = HadoopShardFolder.at(folder, hadoop);
        ShardSet.requireNew(target);
        boolean existed = Storage.of(folder, hadoop).files().exists(folder);
        try {
            Optional<TokenFiles> tokens =
                    isShakespeare(request.corpus()) ? Optional.empty() : TokenFiles.of(request.corpus(), hadoop);
            if (tokens.isPresent()) {
                copy(tokens.get(), request, folder, target);
            } else {
                write(request, folder, target);
            }
            ShardSet set = open(folder.toString(), hadoop);
            verify(set, folder);
            return set;
        } catch (Exception e) { // Spark throws its SparkException, a checked one, undeclared
            if (!existed) {
                Storage.of(folder, hadoop).deleteQuietly(folder, e);
            }
            throw causeOf(e);
        }
    }

    private void copy(TokenFiles files, Request request, Path folder, ShardFolder target) throws Exception {
        Tokenizer tokenizer = files.vocabulary(request, hadoop);
        Map<String, List<TokenRange>> ranges = new LinkedHashMap<>();
        for (String split : List.of(CorpusSplit.TRAIN, CorpusSplit.VAL)) {
            ranges.put(split, files.ranges(split, tokenizer.endOfText(), shardTokens, hadoop));
        }
        Map<String, List<ShardInfo>> splits = new LinkedHashMap<>();
        for (String split : ranges.keySet()) {
            TokenCopy copy = new TokenCopy(folder.toString(), Tokenizers.toJson(tokenizer), split);
            splits.put(split, copy.run(spark, ranges.get(split)));
        }
        sweep(folder, splits);
        ShardSet.commit(target, request.corpus().path(), tokenizer, splits);
    }

    private void write(Request request, Path folder, ShardFolder target) throws Exception {
        boolean byCharacter = request.vocabulary().isEmpty() && request.tokenizer() == TokenizerKind.CHAR;
        TextCuts cuts =
                request.vocabulary().map(Tokenizer::cuts).orElse(byCharacter ? TextCuts.CHARACTERS : TextCuts.GPT2);
        CorpusParts train = CorpusParts.of(request.corpus(), cuts, hadoop);
        Optional<CorpusParts> validation = request.validation().map(named -> CorpusParts.of(named, cuts, hadoop));
        boolean here = train.cost() + validation.map(CorpusParts::cost).orElse(0L) <= bytesHere;
        int trainTasks = here ? 1 : tasks(train);
        Stream<CorpusParts> runs = Stream.concat(
                train.divide(trainTasks), validation.stream().flatMap(parts -> parts.divide(here ? 1 : tasks(parts))));
        Stages stages =
                here ? new Stages.Here(runs.toList()) : new Stages.Tasks(spark, TaskInputs.of(spark, runs.iterator()));
        Survey survey = stages.survey(byCharacter);
        long[] lengths = survey.codePoints();
        if (Arrays.stream(lengths).sum() == 0) {
            throw new DataException("%s is empty; give a corpus that has text, or shakespeare", request.corpus());
        }
        Tokenizer tokenizer = request.vocabulary()
                .orElseGet(() -> byCharacter ? CharTokenizer.of(survey.characters().stream()) : new BpeTokenizer());
        CorpusSplit split = request.validation().isPresent()
                ? CorpusSplit.between(lengths, trainTasks)
                : CorpusSplit.of(lengths, request.valFraction());
        Writing writing = new Writing(
                folder.toString(), shardTokens, Tokenizers.toJson(tokenizer), split.part(), split.codePoint());
        Map<String, List<ShardInfo>> splits = new LinkedHashMap<>();
        splits.put(CorpusSplit.TRAIN, new ArrayList<>());
        splits.put(CorpusSplit.VAL, new ArrayList<>());
        for (String task : stages.write(writing)) {
            WrittenShards shards = WrittenShards.parse(task);
            splits.get(CorpusSplit.TRAIN).addAll(shards.train());
            splits.get(CorpusSplit.VAL).addAll(shards.val());
        }
        sweep(folder, splits);
        ShardSet.commit(target, request.origin(), tokenizer, splits);
    }

    private int tasks(CorpusParts parts) {
        long most = Math.max(spark.defaultParallelism(), parts.cost() / TASK_BYTES);
        return Math.toIntExact(Math.min(parts.count(), most));
    }

    /** Deletes what attempts have left that were killed, or lost the race against another. */
    private void sweep(Path folder, Map<String, List<ShardInfo>> splits) throws IOException {
        Set<String> listed = splits.values().stream()
                .flatMap(List::stream)
                .map(ShardInfo::name)
                .collect(Collectors.toSet());
        FileSystem files = Storage.of(folder, hadoop).files();
        for (RemoteIterator<FileStatus> all = files.listStatusIterator(folder); all.hasNext(); ) {
            FileStatus file = all.next();
            if (!listed.contains(file.getPath().getName())) {
                files.delete(file.getPath(), true);
            }
        }
    }

    /** A task's failure as the driver sees it holds the task's stack trace; the user wants what the task said. */
    private static RuntimeException causeOf(Exception failure) {
        DataException data = ExceptionUtils.throwableOfType(failure, DataException.class);
        if (data != null) {
            return data;
        }
        return failure instanceof RuntimeException unchecked
                ? unchecked
                : new IllegalStateException(failure.getMessage(), failure);
    }
}
