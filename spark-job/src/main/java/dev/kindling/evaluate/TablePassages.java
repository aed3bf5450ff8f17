package dev.kindling.evaluate;

import dev.kindling.input.InputFile;
import dev.kindling.input.TableRow;
import dev.kindling.input.TableRows;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;

/** The rows of ranges of tables, read as they are asked for. */
final class TablePassages implements Iterator<Passage> {
    /** Bytes of a file. */
    record Range(InputFile file, long begin, long end) {}

    private final Deque<Range> left;
    private TableRows rows;
    private TableRow next;

    TablePassages(List<Range> ranges) {
        left = new ArrayDeque<>(ranges);
    }

    @Override
    public boolean hasNext() {
        while (next == null && (rows != null || !left.isEmpty())) {
            if (rows == null) {
                Range range = left.removeFirst();
                rows = TableRows.of(range.file(), range.begin(), range.end());
            }
            next = rows.next();
            if (next == null) {
                close();
            }
        }
        return next != null;
    }

    @Override
    public Passage next() {
        if (!hasNext()) {
            throw new NoSuchElementException("all rows have been read");
        }
        TableRow row = next;
        next = null;
        return new TableDocument(row);
    }

    /** Ends reading. */
    void close() {
        if (rows != null) {
            rows.close();
            rows = null;
        }
    }
}
