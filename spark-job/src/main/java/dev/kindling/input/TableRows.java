package dev.kindling.input;

import dev.kindling.config.ConfigException;
import dev.kindling.data.DataException;
import java.io.IOException;

/** The rows of a range of a table, in order. Reading ends with {@link #close}. */
public interface TableRows extends AutoCloseable {
    /**
     * The rows that begin in bytes {@code begin} to {@code end} of a table: ranges that touch have every row once.
     *
     * @throws DataException (also while rows are read) if the file cannot be read
     */
    static TableRows of(InputFile file, long begin, long end) {
        try {
            return file.format() == Format.PARQUET ? new ParquetRows(file, begin, end) : new JsonRows(file, begin, end);
        } catch (ConfigException e) { // the table's first file had the columns
            throw new DataException(e, "%s: %s", file.name(), e.getMessage());
        } catch (IOException | RuntimeException e) { // Parquet's, for a damaged file
            throw file.unreadable(e);
        }
    }

    /** The next row; null after the last. */
    TableRow next();

    @Override
    void close();
}
