package dev.kindling.evaluate;

import dev.kindling.input.Format;
import dev.kindling.input.TaskInputs;
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
    private final Division<Passage> division;
    private final WindowLength windowLength;

    private EvaluationData(long segments, Division<Passage> division, WindowLength windowLength) {
        this.segments = segments;
        this.division = division;
        this.windowLength = windowLength;
    }

    private interface WindowLength {
        int of(int block, int bytesPerToken);
    }

    /** What one task scores, as it is sent to it. */
    interface Share<T> extends Serializable {
        Iterator<T> read() throws IOException;
    }

    /** What each of a number of tasks scores. */
    interface Division<T> {
        Share<T> share(int task, int tasks);
    }

    /** Text files, or a table. */
    public static EvaluationData of(TextInput input) {
        Segments segments = Segments.of(input.files());
        return input.format() == Format.TEXT
                ? new EvaluationData(
                        segments.count(), (task, tasks) -> texts(segments.part(task, tasks)), segments::windowTokens)
                : new EvaluationData(
                        segments.count(),
                        (task, tasks) -> rows(segments.part(task, tasks)),
                        (block, bytesPerToken) -> 0);
    }

    private static Share<Passage> texts(Segments part) {
        return part::texts;
    }

    private static Share<Passage> rows(Segments part) {
        return part::rows;
    }

    /**
     * A split of a run's shards.
     *
     * @param windows how many evenly placed windows to look at, as training's validation does; 0 for every token
     */
    public static EvaluationData split(String folder, String split, int windows) throws IOException {
        ShardSplit of = ShardSplit.of(folder, split, windows);
        return new EvaluationData(
                of.segments(), (task, tasks) -> () -> of.passages(task, tasks), (block, bytesPerToken) -> block);
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
     * @param partitions the most tasks, of which none is without a segment; 0 for as many as suit the data
     * @param slots tasks that can run at the same time
     */
    JavaRDD<Passage> passages(SparkSession session, int partitions, int slots) {
        return divided(segments, division, session, partitions, slots);
    }

    /** Work of a number of segments, divided among tasks. */
    static <T> JavaRDD<T> divided(
            long segments, Division<T> division, SparkSession session, int partitions, int slots) {
        long wanted = partitions > 0 ? partitions : Math.max(slots, segments / segmentsATask(session));
        int tasks = (int) Math.max(1, Math.min(segments, wanted));
        Iterator<Share<T>> shares = IntStream.range(0, tasks)
                .mapToObj(task -> division.share(task, tasks))
                .iterator();
        FlatMapFunction<Share<T>, T> read = Share::read;
        return TaskInputs.of(JavaSparkContext.fromSparkContext(session.sparkContext()), shares)
                .flatMap(read);
    }

    /** How many segments of text one task should score: a second of work for a GPU, minutes for a CPU. */
    private static int segmentsATask(SparkSession session) {
        return session.sparkContext().conf().contains("spark.executor.resource.gpu.amount") ? 128 : 32;
    }
}
