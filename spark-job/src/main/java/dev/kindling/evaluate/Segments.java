package dev.kindling.evaluate;

import dev.kindling.evaluate.item.Item;
import dev.kindling.evaluate.item.ItemFile;
import dev.kindling.evaluate.item.ItemLayout;
import dev.kindling.evaluate.item.ItemRange;
import dev.kindling.input.InputFile;
import java.io.Serializable;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskCompletionListener;

/**
 * Files in segments of {@value #BYTES} bytes, shared among tasks, so that a long document or a large table is divided between
 * them, and never in memory as a whole.
 */
record Segments(List<InputFile> files) implements Serializable {
    /** Large enough that a window begun anew, and its context read again, cost little. */
    static final int BYTES = 1 << 17;

    /** Consecutive segments of a file. */
    private record Run(InputFile file, long first, long end) {
        boolean isEmpty() {
            return first >= end;
        }
    }

    long count() {
        return files.stream().mapToLong(file -> file.ranges(BYTES)).sum();
    }

    /** The approximate mean length of windows of {@code block} tokens, by the sizes of the files. */
    int windowTokens(int block, int bytesPerToken) {
        long tokens = 0;
        long windows = 0;
        for (InputFile file : files) {
            long own = Math.max(1, file.bytes() / bytesPerToken);
            tokens += own;
            windows += (own + block - 1) / block;
        }
        return (int) Math.max(1, tokens / windows);
    }

    /** The segments of task number {@code task} out of {@code tasks}. */
    private Stream<Run> runs(int task, int tasks) {
        long all = count();
        long from = all * task / tasks;
        long to = all * (task + 1) / tasks;
        long[] before = {0};
        return files.stream()
                .map(file -> {
                    long first = before[0];
                    before[0] += file.ranges(BYTES);
                    return new Run(file, Math.max(from, first) - first, Math.min(to, before[0]) - first);
                })
                .filter(run -> !run.isEmpty());
    }

    /** A task's part of text files, each of them one document. */
    Iterator<Passage> texts(int task, int tasks) {
        return runs(task, tasks)
                .flatMap(run -> LongStream.range(run.first(), run.end())
                        .<Passage>mapToObj(segment -> new TextSegment(run.file(), segment)))
                .iterator();
    }

    /** A task's part of a table, each row of it one document. */
    Iterator<Passage> rows(int task, int tasks) {
        TablePassages rows = new TablePassages(runs(task, tasks)
                .map(run -> new TablePassages.Range(run.file(), run.first() * BYTES, end(run)))
                .toList());
        closeWithTask(rows::close);
        return rows;
    }

    /** A task's part of a file of items, the only one. */
    Iterator<Item> items(ItemLayout layout, int task, int tasks) {
        Optional<ItemRange> items = runs(task, tasks)
                .map(run -> new ItemRange(new ItemFile(run.file(), layout), run.first() * BYTES, end(run)))
                .findFirst();
        items.ifPresent(range -> closeWithTask(range::close));
        return items.<Iterator<Item>>map(range -> range).orElseGet(Collections::emptyIterator);
    }

    private static void closeWithTask(Runnable close) {
        TaskContext context = TaskContext.get();
        if (context != null) {
            TaskCompletionListener closing = ended -> close.run();
            context.addTaskCompletionListener(closing);
        }
    }

    private static long end(Run run) {
        return run.end() == run.file().ranges(BYTES) ? run.file().bytes() : run.end() * BYTES;
    }
}
