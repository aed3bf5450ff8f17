package dev.kindling.input;

import com.fasterxml.jackson.databind.JsonNode;
import dev.kindling.data.DataException;
import java.io.IOException;

/** Rows of JSON, an object a line. */
final class JsonRows implements TableRows {
    private final InputFile file;
    private final JsonLines lines;

    JsonRows(InputFile file, long begin, long end) throws IOException {
        this.file = file;
        lines = JsonLines.of(file, begin, end);
    }

    @Override
    public TableRow next() {
        return lines.next() ? row(lines.key()) : null;
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
        lines.close();
    }
}
