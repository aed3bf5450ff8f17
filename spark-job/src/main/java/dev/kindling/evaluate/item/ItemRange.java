package dev.kindling.evaluate.item;

import dev.kindling.input.JsonLines;
import java.io.IOException;
import java.util.Iterator;
import java.util.NoSuchElementException;

/** The items that begin in a range of bytes of a file, read as they are asked for. */
public final class ItemRange implements Iterator<Item>, AutoCloseable {
    private final ItemFile file;
    private final JsonLines lines;
    private Item next;

    /** @throws dev.kindling.data.DataException (also while items are read) if the file cannot be read */
    public ItemRange(ItemFile file, long begin, long end) {
        this.file = file;
        try {
            lines = JsonLines.of(file.file(), begin, end);
        } catch (IOException e) {
            throw file.file().unreadable(e);
        }
    }

    @Override
    public boolean hasNext() {
        if (next == null && lines.next()) {
            next = file.item(lines);
        }
        return next != null;
    }

    @Override
    public Item next() {
        if (!hasNext()) {
            throw new NoSuchElementException("all items have been read");
        }
        Item item = next;
        next = null;
        return item;
    }

    @Override
    public void close() {
        lines.close();
    }
}
