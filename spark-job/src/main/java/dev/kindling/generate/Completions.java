package dev.kindling.generate;

import dev.kindling.inference.ExecutorModels;
import dev.kindling.local.Completion;
import dev.kindling.nn.sample.TextGenerator;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.stream.IntStream;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Continues prompts in an ordinary Spark job. Each text gives one row: prompt_id, sample, prompt, text (what was
 * added), finish_reason (length, stop or end_of_text), tokens. A prompt that cannot be continued gives one row with
 * skipped. Rows are in the order of the prompts, and the same however the prompts are divided among tasks.
 */
public record Completions(GenerationSettings writing, List<Prompt> prompts) implements Serializable {
    /** The columns. */
    public static final StructType SCHEMA = new StructType()
            .add("prompt_id", DataTypes.StringType, false)
            .add("sample", DataTypes.IntegerType, false)
            .add("prompt", DataTypes.StringType, false)
            .add("text", DataTypes.StringType, true)
            .add("finish_reason", DataTypes.StringType, true)
            .add("tokens", DataTypes.IntegerType, true)
            .add("skipped", DataTypes.StringType, true);

    /** The rows of all prompts, computed by {@code tasks} tasks when an action asks for them. */
    public Dataset<Row> of(SparkSession session, int tasks) {
        List<Integer> numbers = IntStream.range(0, tasks).boxed().toList();
        JavaRDD<Row> rows = JavaSparkContext.fromSparkContext(session.sparkContext())
                .parallelize(numbers, tasks)
                .flatMap(task -> share(task, tasks));
        return session.createDataFrame(rows, SCHEMA);
    }

    private Iterator<Row> share(int task, int tasks) throws IOException {
        int from = (int) ((long) prompts.size() * task / tasks);
        int to = (int) ((long) prompts.size() * (task + 1) / tasks);
        return from == to
                ? new ArrayDeque<Row>().iterator()
                : new Rows(prompts.subList(from, to), ExecutorModels.acquire(writing.model()));
    }

    /** Generates the next batch of texts when the next row is asked for and none is ready. */
    private final class Rows implements Iterator<Row> {
        private final Deque<Wanted> wanted = new ArrayDeque<>();
        private final Deque<Row> done = new ArrayDeque<>();
        private final LoadedGenerator writer;

        private record Wanted(Prompt prompt, int sample) {}

        Rows(List<Prompt> share, LoadedGenerator writer) {
            this.writer = writer;
            for (Prompt prompt : share) {
                for (int sample = 0; sample < (prompt.problem() == null ? writing.samples() : 1); sample++) {
                    wanted.add(new Wanted(prompt, sample));
                }
            }
        }

        @Override
        public boolean hasNext() {
            return !done.isEmpty() || !wanted.isEmpty();
        }

        @Override
        public Row next() {
            if (done.isEmpty()) {
                if (wanted.isEmpty()) {
                    throw new NoSuchElementException("all texts have been written");
                }
                write();
            }
            return done.removeFirst();
        }

        private void write() {
            List<Wanted> batch = new ArrayList<>();
            List<Completion> completions = new ArrayList<>();
            List<TextGenerator.Request> requests = new ArrayList<>();
            TaskContext task = TaskContext.get();
            while (!wanted.isEmpty() && requests.size() < writer.batch()) {
                Wanted next = wanted.removeFirst();
                Completion completion = new Completion(writer.tokenizer(), writing.stops(), piece -> {});
                batch.add(next);
                completions.add(completion);
                if (next.prompt().problem() == null) {
                    requests.add(new TextGenerator.Request(
                            writer.tokenizer().encode(next.prompt().text()),
                            writing.seed(next.prompt().number(), next.sample()),
                            token -> completion.accept(token) && !task.isInterrupted()));
                }
            }
            writer.write(requests, writing.maxTokens(), writing.sampling());
            for (int i = 0; i < batch.size(); i++) {
                completions.get(i).end();
                done.add(row(batch.get(i), completions.get(i)));
            }
        }

        private static Row row(Wanted wanted, Completion completion) {
            Prompt prompt = wanted.prompt();
            return prompt.problem() == null
                    ? RowFactory.create(
                            prompt.id(),
                            wanted.sample(),
                            prompt.text(),
                            completion.text(),
                            completion.finish().toString(),
                            completion.tokens(),
                            null)
                    : RowFactory.create(
                            prompt.id(), wanted.sample(), prompt.text(), null, null, null, prompt.problem());
        }
    }
}
