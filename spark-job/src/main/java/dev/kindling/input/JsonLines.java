package dev.kindling.input;

import com.fasterxml.jackson.databind.JsonNode;
import dev.kindling.data.DataException;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.InputStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;

/** JSON objects of a file, one a line; blank lines are passed over. */
public final class JsonLines implements AutoCloseable {
    private final InputFile file;
    private final Lines lines;
    private final InputStream in;
    private final long end;
    private long offset;

    private JsonLines(InputFile file, InputStream in, long from, long end) {
        this.file = file;
        this.in = in;
        this.lines = new Lines(in, from);
        this.end = end;
    }

    /**
     * The lines that begin in bytes {@code begin} to {@code end}: ranges that touch have every line once. A compressed file
     * has one range.
     */
    public static JsonLines of(InputFile file, long begin, long end) throws IOException {
        Configuration hadoop = Storage.settings();
        if (file.compression() != FileCompression.NONE) {
            return new JsonLines(file, file.content(hadoop), 0, Long.MAX_VALUE);
        }
        long before = Math.max(0, begin - 1); // a line begins at begin if one ends before it
        FSDataInputStream stored = file.open(hadoop);
        try {
            stored.seek(before);
            JsonLines lines = new JsonLines(file, stored, before, end);
            if (begin > 0) {
                lines.lines.next();
            }
            return lines;
        } catch (IOException | RuntimeException e) {
            Storage.closeAfter(stored, e);
            throw e;
        }
    }

    /**
     * Reads the next line; false if there is none.
     *
     * @throws DataException if the file cannot be read
     */
    public boolean next() {
        try {
            do {
                offset = lines.offset();
                if (offset >= end || !lines.next()) {
                    return false;
                }
            } while (lines.isBlank());
            return true;
        } catch (IOException e) {
            throw file.unreadable(e);
        }
    }

    /** The line's file and its place there, which do not depend on how the file is divided among tasks. */
    public String key() {
        return file.uri() + "#" + offset;
    }

    /**
     * The line's object.
     *
     * @throws DataException that goes on where the line has been named, if it is none
     */
    public JsonNode object() {
        return lines.object();
    }

    @Override
    public void close() {
        try {
            in.close();
        } catch (IOException e) {
            throw file.unreadable(e);
        }
    }
}
