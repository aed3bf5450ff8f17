package dev.kindling.evaluate;

import dev.kindling.evaluate.item.Item;
import dev.kindling.evaluate.item.ItemFile;
import dev.kindling.evaluate.item.ItemLayout;
import dev.kindling.evaluate.item.ItemRange;
import dev.kindling.input.FileList;
import dev.kindling.input.FileRanges;
import java.io.Serializable;
import java.util.Collections;
import java.util.Iterator;
import java.util.Optional;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskCompletionListener;

/**
 * Files in segments of {@value #BYTES} bytes, shared among tasks, so that a long document or a large table is divided between
 * them, and never in memory as a whole.
 */
record Segments(FileRanges ranges) implements Serializable {
    /** Large enough that a window begun anew, and its context read again, cost little. */
    static final int BYTES = 1 << 17;

    static Segments of(FileList files) {
        return new Segments(FileRanges.of(files, BYTES));
    }

    long count() {
        return ranges.count();
    }

    /** The approximate mean length of windows of {@code block} tokens, by the sizes of the files. */
    int windowTokens(int block, int bytesPerToken) {
        long tokens = 0;
        long windows = 0;
        for (FileRanges.Run run : ranges) {
            long own = Math.max(1, run.file().bytes() / bytesPerToken);
            tokens += own;
            windows += (own + block - 1) / block;
        }
        return (int) Math.max(1, tokens / windows);
    }

    /** The segments of task number {@code task} out of {@code tasks}. */
    Segments part(int task, int tasks) {
        return new Segments(ranges.slice(count() * task / tasks, count() * (task + 1) / tasks));
    }

    private Stream<FileRanges.Run> runs() {
        return StreamSupport.stream(ranges.spliterator(), false);
    }

    /** Those of text files, each of them one document. */
    Iterator<Passage> texts() {
        return runs().flatMap(run -> LongStream.range(run.first(), run.end())
                        .<Passage>mapToObj(segment -> new TextSegment(run.file(), segment)))
                .iterator();
    }

    /** Those of a table, each row of it one document. */
    Iterator<Passage> rows() {
        TablePassages rows = new TablePassages(ranges.iterator());
        closeWithTask(rows::close);
        return rows;
    }

    /** Those of a file of items, the only one. */
    Iterator<Item> items(ItemLayout layout) {
        Optional<ItemRange> items = runs().map(
                        run -> new ItemRange(new ItemFile(run.file(), layout), run.beginByte(), run.endByte()))
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
}
