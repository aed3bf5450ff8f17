package dev.kindling.input;

import com.fasterxml.jackson.databind.JsonNode;
import dev.kindling.data.DataException;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.InputStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;

/** Rows of JSON, an object a line. */
final class JsonRows implements TableRows {
    private final InputFile file;
    private final Lines lines;
    private final InputStream in;
    private final long end;

    JsonRows(InputFile file, long begin, long end) throws IOException {
        this.file = file;
        Configuration hadoop = Storage.settings();
        if (file.compression() != FileCompression.NONE) {
            this.end = Long.MAX_VALUE;
            in = file.content(hadoop);
            lines = new Lines(in, 0);
            return;
        }
        this.end = end;
        long before = Math.max(0, begin - 1); // a line begins at begin if one ends before it
        FSDataInputStream stored = file.open(hadoop);
        in = stored;
        lines = new Lines(stored, before);
        try {
            stored.seek(before);
            if (begin > 0) {
                lines.next();
            }
        } catch (IOException | RuntimeException e) {
            Storage.closeAfter(in, e);
            throw e;
        }
    }

    @Override
    public TableRow next() {
        try {
            long offset;
            do {
                offset = lines.offset();
                if (offset >= end || !lines.next()) {
                    return null;
                }
            } while (lines.isBlank());
            return row(file.uri() + "#" + offset);
        } catch (IOException e) {
            throw file.unreadable(e);
        }
    }

    private TableRow row(String key) {
        String id = key;
        try {
            JsonNode row = lines.object();
            JsonNode named = file.named().idColumn() == null
                    ? null
                    : row.get(file.named().idColumn());
            id = named == null || named.isNull() ? key : Lines.text(named);
            return new TableRow(key, id, text(row.get(file.named().column())), null);
        } catch (DataException e) {
            return TableRow.bad(key, id, e.getMessage());
        }
    }

    private String text(JsonNode value) {
        String column = file.named().column();
        if (value == null) {
            throw new DataException("has no '" + column + "'");
        }
        if (value.isNull()) {
            throw new DataException("is null");
        }
        if (!value.isTextual()) {
            throw new DataException("has " + value.getNodeType() + " in '" + column + "', not text");
        }
        return Lines.text(value);
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
