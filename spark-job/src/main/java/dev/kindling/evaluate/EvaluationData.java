package dev.kindling.evaluate;

import dev.kindling.input.Format;
import dev.kindling.input.TextInput;
import java.io.IOException;
import java.io.Serializable;
import java.util.Iterator;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.sql.SparkSession;

/** What to evaluate, found and checked by the driver, read by the tasks. */
public final class EvaluationData {
    private final long segments;
    private final Share<Passage> share;
    private final WindowLength windowLength;

    private EvaluationData(long segments, Share<Passage> share, WindowLength windowLength) {
        this.segments = segments;
        this.share = share;
        this.windowLength = windowLength;
    }

    private interface WindowLength {
        int of(int block, int bytesPerToken);
    }

    /** What one task scores. */
    interface Share<T> extends Serializable {
        Iterator<T> of(int task, int tasks) throws IOException;
    }

    /** Text files, or a table. */
    public static EvaluationData of(TextInput input) {
        Segments segments = new Segments(input.files());
        return input.format() == Format.TEXT
                ? new EvaluationData(segments.count(), segments::texts, segments::windowTokens)
                : new EvaluationData(segments.count(), segments::rows, (block, bytesPerToken) -> 0);
    }

    /**
     * A split of a run's shards.
     *
     * @param windows how many evenly placed windows to look at, as training's validation does; 0 for every token
     */
    public static EvaluationData split(String folder, String split, int windows) throws IOException {
        ShardSplit of = ShardSplit.of(folder, split, windows);
        return new EvaluationData(of.segments(), of::passages, (block, bytesPerToken) -> block);
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
        return divided(segments, share, session, partitions, slots);
    }

    /** Work of a number of segments, divided among tasks. */
    static <T> JavaRDD<T> divided(long segments, Share<T> share, SparkSession session, int partitions, int slots) {
        int tasks = partitions > 0
                ? partitions
                : (int) Math.max(1, Math.min(segments, Math.max(slots, segments / segmentsATask(session))));
        FlatMapFunction<Integer, T> work = task -> share.of(task, tasks);
        return JavaSparkContext.fromSparkContext(session.sparkContext())
                .parallelize(IntStream.range(0, tasks).boxed().toList(), tasks)
                .flatMap(work);
    }

    /** How many segments of text one task should score: a second of work for a GPU, minutes for a CPU. */
    private static int segmentsATask(SparkSession session) {
        return session.sparkContext().conf().contains("spark.executor.resource.gpu.amount") ? 128 : 32;
    }
}
