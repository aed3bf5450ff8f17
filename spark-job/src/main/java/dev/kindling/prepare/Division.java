package dev.kindling.prepare;

import java.io.Serializable;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.Function;

/** Runs of parts, one for each task, so that each has about as much to read. */
record Division(List<CorpusPart> parts, int tasks) implements Serializable {
    <R> List<R> run(JavaSparkContext spark, Function<Integer, R> task) {
        List<Integer> numbers = IntStream.range(0, tasks).boxed().toList();
        return spark.parallelize(numbers, tasks).map(task).collect();
    }

    /** The number of a task's first part. */
    int start(int task) {
        double share = (double) task / tasks;
        long total = parts.stream().mapToLong(CorpusPart::cost).sum();
        long before = 0;
        int index = 0;
        while (index < parts.size() && before < share * total) {
            before += parts.get(index++).cost();
        }
        return index;
    }
}
