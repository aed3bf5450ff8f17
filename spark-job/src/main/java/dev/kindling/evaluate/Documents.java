package dev.kindling.evaluate;

import dev.kindling.config.ConfigException;
import dev.kindling.data.DataException;
import dev.kindling.prepare.CorpusListing;
import dev.kindling.storage.PathException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.Serializable;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** What to evaluate, found and checked by the driver, read by the tasks. */
public final class Documents {
    private final Source source;
    private final WindowLength windowLength;

    private Documents(Source source, WindowLength windowLength) {
        this.source = source;
        this.windowLength = windowLength;
    }

    private interface WindowLength {
        int of(int block, int bytesPerToken);
    }

    /** Divides documents among tasks. */
    @FunctionalInterface
    private interface Source {
        JavaRDD<Passage> passages(SparkSession session, int partitions, int slots);
    }

    /**
     * Text files, or a table where {@code column} names its text.
     *
     * @param data as the user named it
     * @param idColumn of a table's ids
     * @throws ConfigException if the options do not fit the data
     * @throws DataException if there is no such data, or it cannot be listed
     */
    public static Documents at(String data, Optional<String> column, Optional<String> idColumn, Configuration hadoop) {
        Listing found = Listing.of(data, hadoop);
        Optional<Table.Format> format = Table.formatOf(found.files());
        if (format.isEmpty() && (column.isPresent() || idColumn.isPresent())) {
            throw new ConfigException(
                    "--data %s is text, without columns; drop --column, or give a Parquet or JSON table"
                            .formatted(data));
        }
        if (format.isPresent()) {
            if (column.isEmpty()) {
                throw new ConfigException(
                        "--data %s is a %s table; name its column of text with --column".formatted(data, format.get()));
            }
            Table table = new Table(data, found.root(), column.get(), idColumn);
            return new Documents(
                    (session, partitions, slots) -> rows(table.documents(format.get(), session), partitions),
                    (block, bytesPerToken) -> 0);
        }
        TextFiles files = TextFiles.of(data, found.files());
        return new Documents(
                (session, partitions, slots) ->
                        segments(session, tasks(session, files.segments(), partitions, slots), files::passages),
                files::windowTokens);
    }

    /**
     * A split of a run's shards.
     *
     * @param windows how many evenly placed windows to look at, as training's validation does; 0 for every token
     */
    public static Documents split(String folder, String split, int windows) throws IOException {
        ShardSplit of = ShardSplit.of(folder, split, windows);
        return new Documents(
                (session, partitions, slots) ->
                        segments(session, tasks(session, of.segments(), partitions, slots), of::passages),
                (block, bytesPerToken) -> block);
    }

    private record Listing(Path root, List<CorpusListing.Found> files) {
        static Listing of(String data, Configuration hadoop) {
            try {
                Path root = CorpusListing.resolve(data, hadoop);
                return new Listing(root, CorpusListing.walk(root, hadoop));
            } catch (FileNotFoundException e) {
                throw new PathException("--data %s does not exist; give text files or a table".formatted(data), e);
            } catch (IOException e) {
                throw new DataException(
                        "cannot list --data %s (%s); check the path and its permissions"
                                .formatted(data, DataException.reason(e)),
                        e);
            }
        }
    }

    /**
     * The approximate mean length of windows of {@code block} tokens; 0 if the sizes of the documents are not known.
     */
    public int windowTokens(int block, int bytesPerToken) {
        return windowLength.of(block, bytesPerToken);
    }

    /**
     * The passages to score, each small enough for one task.
     *
     * @param partitions 0 for as many as suit the data
     * @param slots tasks that can run at the same time
     */
    JavaRDD<Passage> passages(SparkSession session, int partitions, int slots) {
        return source.passages(session, partitions, slots);
    }

    private static int tasks(SparkSession session, long segments, int partitions, int slots) {
        return partitions > 0
                ? partitions
                : (int) Math.max(1, Math.min(segments, Math.max(slots, segments / segmentsATask(session))));
    }

    /** How many segments of text one task should score: a second of work for a GPU, minutes for a CPU. */
    private static int segmentsATask(SparkSession session) {
        return session.sparkContext().conf().contains("spark.executor.resource.gpu.amount") ? 128 : 32;
    }

    /** The passages of one task. */
    private interface Share extends Serializable {
        Iterator<Passage> of(int task, int tasks) throws IOException;
    }

    private static JavaRDD<Passage> segments(SparkSession session, int tasks, Share share) {
        List<Integer> numbers = IntStream.range(0, tasks).boxed().toList();
        FlatMapFunction<Integer, Passage> passages = task -> share.of(task, tasks);
        return JavaSparkContext.fromSparkContext(session.sparkContext())
                .parallelize(numbers, tasks)
                .flatMap(passages);
    }

    private static JavaRDD<Passage> rows(Dataset<Row> documents, int partitions) {
        Dataset<Row> divided = partitions > 0 ? documents.repartition(partitions) : documents;
        return divided.toJavaRDD().map(TableDocument::of);
    }
}
