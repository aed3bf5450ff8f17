package dev.kindling.prepare;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.data.DataException;
import dev.kindling.data.corpus.CorpusSplit;
import dev.kindling.data.corpus.Document;
import dev.kindling.data.shard.ShardFolder;
import dev.kindling.data.shard.ShardInfo;
import dev.kindling.data.shard.ShardSeries;
import dev.kindling.data.shard.ShardSet;
import dev.kindling.data.token.BpeTokenizer;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.data.token.Tokenizers;
import dev.kindling.storage.HadoopShardFolder;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * Tokenises a corpus in two Spark stages. First, tasks count characters and collect the vocabulary, and the driver
 * places the cut between training and validation. Then tasks write shards, each for a run of documents, and the driver
 * commits them with the manifest. The tokens do not depend on the number of tasks; only their division into files does.
 */
public final class ShardPreparation {
    private static final JsonMapper JSON = new JsonMapper();

    private final JavaSparkContext spark;
    private final Configuration hadoop;

    public ShardPreparation(JavaSparkContext spark) {
        this.spark = spark;
        this.hadoop = spark.hadoopConfiguration();
    }

    /**
     * What to prepare.
     *
     * @param corpus {@code shakespeare} or a path
     * @param valFraction in (0, 1)
     */
    public record Request(String corpus, TokenizerKind tokenizer, double valFraction) implements Serializable {}

    /** Whether {@code corpus} is a folder of finished shards, which need no preparation. */
    public static boolean isPrepared(String corpus, Configuration hadoop) throws IOException {
        return !corpus.equals(CorpusListing.SHAKESPEARE)
                && HadoopShardFolder.at(CorpusListing.resolve(corpus, hadoop), hadoop)
                        .exists("manifest.json");
    }

    /**
     * Fails, without reading it, if a corpus is not there.
     *
     * @throws DataException if there is no such corpus, or it has no text files
     */
    public static void requireCorpus(String corpus, Configuration hadoop) throws IOException {
        if (!corpus.equals(CorpusListing.SHAKESPEARE) && !isPrepared(corpus, hadoop)) {
            CorpusListing.of(corpus, hadoop);
        }
    }

    /** Opens a folder of shards by the path that a user gave. */
    public static ShardSet open(String location, Configuration hadoop) throws IOException {
        return ShardSet.open(HadoopShardFolder.at(CorpusListing.resolve(location, hadoop), hadoop));
    }

    /**
     * Opens a folder of shards and reads every one, so that damage is found before the work begins. Shards on this host
     * are read here, others by Spark tasks.
     *
     * @throws DataException naming a shard that is damaged
     */
    public ShardSet openVerified(Path folder) throws IOException {
        ShardSet set = open(folder.toString(), hadoop);
        if (HadoopShardFolder.isLocal(folder)) {
            IntStream.range(0, set.shards()).forEach(set::verify);
            return set;
        }
        try {
            List<Integer> numbers = IntStream.range(0, set.shards()).boxed().toList();
            spark.parallelize(numbers, numbers.size()).foreach(new Verifying(folder.toString())::verify);
            return set;
        } catch (Exception e) { // Spark throws its SparkException, a checked one, undeclared
            throw causeOf(e);
        }
    }

    private record Verifying(String folder) implements Serializable {
        void verify(int number) throws IOException {
            open(folder, Storage.settings()).verify(number);
        }
    }

    /**
     * Writes the shards of a corpus into {@code folder}.
     *
     * @throws DataException if the corpus is missing, empty or not text, or the folder cannot be written or already
     *     holds shards; then nothing is left behind
     */
    public ShardSet prepare(Request request, Path folder) throws IOException {
        ShardFolder target = HadoopShardFolder.at(folder, hadoop);
        ShardSet.requireNew(target);
        boolean existed = Storage.of(folder, hadoop).files().exists(folder);
        try {
            return write(request, folder.toString(), target);
        } catch (Exception e) { // Spark throws its SparkException, a checked one, undeclared
            if (!existed) {
                Storage.of(folder, hadoop).deleteQuietly(folder, e);
            }
            throw causeOf(e);
        }
    }

    private ShardSet write(Request request, String folder, ShardFolder target) {
        List<SourceDocument> documents = CorpusListing.of(request.corpus(), hadoop);
        int tasks = Math.max(1, Math.min(documents.size(), spark.defaultParallelism()));
        List<Integer> numbers = IntStream.range(0, tasks).boxed().toList();
        Survey survey = new Survey(documents, tasks, request.tokenizer() == TokenizerKind.CHAR);
        long[] lengths = new long[documents.size()];
        IntStream characters = IntStream.empty();
        for (int[] counted :
                spark.parallelize(numbers, tasks).map(survey::count).collect()) {
            int first = counted[0];
            int size = counted[1];
            for (int i = 0; i < size; i++) {
                lengths[first + i] = counted[2 + i];
            }
            characters = IntStream.concat(characters, Arrays.stream(counted, 2 + size, counted.length));
        }
        if (Arrays.stream(lengths).sum() == 0) {
            throw new DataException(
                    "corpus %s is empty; set data.corpus to text, or to shakespeare".formatted(request.corpus()));
        }
        Tokenizer tokenizer = request.tokenizer() == TokenizerKind.CHAR
                ? CharTokenizer.of(characters)
                : Tokenizers.forCorpus(BpeTokenizer.ID, null);
        CorpusSplit split = CorpusSplit.of(lengths, request.valFraction());
        Writing writing = new Writing(
                documents, tasks, folder, Tokenizers.toJson(tokenizer), split.document(), split.codePoint());
        List<String> written =
                spark.parallelize(numbers, tasks).map(writing::write).collect();
        Map<String, List<ShardInfo>> splits = new LinkedHashMap<>();
        splits.put(CorpusSplit.TRAIN, new ArrayList<>());
        splits.put(CorpusSplit.VAL, new ArrayList<>());
        for (String task : written) {
            WrittenShards shards = WrittenShards.parse(task);
            splits.get(CorpusSplit.TRAIN).addAll(shards.train());
            splits.get(CorpusSplit.VAL).addAll(shards.val());
        }
        return ShardSet.commit(target, request.corpus(), tokenizer, splits);
    }

    /** Finds the task's own error in the failure that Spark reports, which holds the task's stack trace. */
    private static RuntimeException causeOf(Exception failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof DataException data) {
                return data;
            }
        }
        return failure instanceof RuntimeException unchecked
                ? unchecked
                : new IllegalStateException(failure.getMessage(), failure);
    }

    private static List<SourceDocument> part(List<SourceDocument> all, int tasks, int task) {
        return all.subList(start(all, tasks, task), start(all, tasks, task + 1));
    }

    /** The number of a task's first document, so that each task has about as much to read. */
    private static int start(List<SourceDocument> all, int tasks, int task) {
        double share = (double) task / tasks;
        long total = all.stream().mapToLong(SourceDocument::cost).sum();
        long before = 0;
        int index = 0;
        while (index < all.size() && before < share * total) {
            before += all.get(index++).cost();
        }
        return index;
    }

    /**
     * The first stage. For the documents of one task it gives the number of the first one, how many there are, the
     * length of each, then all characters.
     */
    private record Survey(List<SourceDocument> documents, int tasks, boolean vocabulary) implements Serializable {
        int[] count(int task) {
            Configuration hadoop = Storage.settings();
            List<SourceDocument> mine = part(documents, tasks, task);
            List<Integer> lengths = new ArrayList<>();
            List<int[]> distinct = new ArrayList<>();
            for (SourceDocument source : mine) {
                Document document = source.read(hadoop);
                lengths.add(document.codePoints());
                if (vocabulary) {
                    distinct.add(CharTokenizer.distinct(document.text()).toArray());
                }
            }
            IntStream head = IntStream.of(start(documents, tasks, task), mine.size());
            IntStream body = lengths.stream().mapToInt(Integer::intValue);
            IntStream tail =
                    distinct.stream().flatMapToInt(Arrays::stream).sorted().distinct();
            return IntStream.concat(head, IntStream.concat(body, tail)).toArray();
        }
    }

    /** The shards that a task wrote, as it reports them to the driver. */
    private record WrittenShards(List<ShardInfo> train, List<ShardInfo> val) {
        static WrittenShards parse(String json) {
            try {
                return JSON.readValue(json, WrittenShards.class);
            } catch (JsonProcessingException e) {
                throw new IllegalStateException("a task reported its shards in a form this driver cannot read", e);
            }
        }

        String toJson() {
            try {
                return JSON.writeValueAsString(this);
            } catch (JsonProcessingException e) {
                throw new IllegalStateException("a list of shards can always be written", e);
            }
        }
    }

    /** The second stage: tokenises the documents of a task and writes them to the split on their side of the cut. */
    private record Writing(
            List<SourceDocument> documents, int tasks, String folder, String tokenizer, int cutDocument, int cutAt)
            implements Serializable {
        String write(int task) throws IOException {
            Configuration hadoop = Storage.settings();
            ShardFolder target = HadoopShardFolder.at(new Path(folder), hadoop);
            Tokenizer encoder = Tokenizers.fromJson(tokenizer, "the driver's vocabulary");
            CorpusSplit split = new CorpusSplit(cutDocument, cutAt, 0, 0);
            int index = start(documents, tasks, task);
            try (ShardSeries train = series(target, encoder, CorpusSplit.TRAIN, task);
                    ShardSeries val = series(target, encoder, CorpusSplit.VAL, task)) {
                Iterator<SourceDocument> mine = part(documents, tasks, task).iterator();
                for (; mine.hasNext(); index++) {
                    Document whole = mine.next().read(hadoop);
                    boolean cut = index == cutDocument && cutAt > 0;
                    split.train(whole, index).ifPresent(cut ? train::addBeginning : train::add);
                    split.val(whole, index).ifPresent(val::add);
                }
                return new WrittenShards(train.finish(), val.finish()).toJson();
            }
        }

        private static ShardSeries series(ShardFolder folder, Tokenizer tokenizer, String split, int task) {
            String prefix = String.format(Locale.ROOT, "%s-%05d", split, task);
            return new ShardSeries(folder, tokenizer, prefix, ShardSeries.DEFAULT_SHARD_TOKENS);
        }
    }
}
