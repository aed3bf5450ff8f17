package dev.kindling.evaluate;

import dev.kindling.input.FileRanges;
import dev.kindling.input.TableRow;
import dev.kindling.input.TableRows;
import java.util.Iterator;
import java.util.NoSuchElementException;

/** The rows of ranges of tables, read as they are asked for. */
final class TablePassages implements Iterator<Passage> {
    private final Iterator<FileRanges.Run> left;
    private TableRows rows;
    private TableRow next;

    TablePassages(Iterator<FileRanges.Run> ranges) {
        left = ranges;
    }

    @Override
    public boolean hasNext() {
        while (next == null && (rows != null || left.hasNext())) {
            if (rows == null) {
                FileRanges.Run run = left.next();
                rows = TableRows.of(run.file(), run.beginByte(), run.endByte());
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
        return TextDocument.of(row);
    }

    /** Ends reading. */
    void close() {
        if (rows != null) {
            rows.close();
            rows = null;
        }
    }
}
