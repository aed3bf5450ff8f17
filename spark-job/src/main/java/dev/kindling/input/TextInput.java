package dev.kindling.input;

import dev.kindling.config.ConfigException;
import dev.kindling.data.DataException;
import dev.kindling.data.StoreException;
import dev.kindling.storage.PathException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the user named, found and checked by the driver: the files of one format, in the order of their names. Text files are
 * a document each; tables, of JSON lines or Parquet, have one in each row.
 */
public record TextInput(Named named, Format format, FileList files) {
    private static final Logger LOG = LoggerFactory.getLogger(TextInput.class);

    /**
     * Lists it.
     *
     * @throws PathException if there is nothing of that name
     * @throws ConfigException if a column is named that does not fit it, or none for a table
     * @throws DataException if it cannot be listed, or holds what cannot be read
     */
    public static TextInput of(Named named, Configuration hadoop) {
        FileList found;
        try {
            Path root = named.resolve(hadoop);
            found = FileWalk.of(named, root, hadoop);
        } catch (FileNotFoundException e) {
            throw named.missing(e);
        } catch (StoreException e) {
            throw e;
        } catch (IOException | java.io.UncheckedIOException e) {
            throw new DataException(
                    e, "cannot list %s (%s); check the path and its permissions", named, DataException.reason(e));
        }
        if (found.isEmpty()) {
            throw new DataException(
                    "%s holds no files (names that begin with . or _ are passed over); give text or a table", named);
        }
        TextInput input = named.column() == null ? text(named, found) : table(named, found);
        if (input.format() == Format.PARQUET) {
            ParquetRows.requireColumns(input.files().get(0), hadoop);
        }
        return input;
    }

    private static TextInput text(Named named, FileList found) {
        if (named.idColumn() != null) {
            throw new ConfigException(
                    "--id-column names a column of a table, whose text is in another; name that with %s",
                    named.columnOption());
        }
        boolean onlyJson = names(found).allMatch(name -> Format.of(name) == Format.JSON);
        names(found)
                .filter(name -> Format.of(name) == Format.PARQUET || Format.isJsonLines(name) || onlyJson)
                .findFirst()
                .ifPresent(name -> {
                    throw new ConfigException(
                            "%s of %s is a %s table; name its column of text with %s",
                            name, named, Format.of(name), named.columnOption());
                });
        return of(named, Format.TEXT, found);
    }

    private static Stream<String> names(FileList files) {
        return IntStream.range(0, files.size()).mapToObj(files::name);
    }

    /** Beside Parquet other files are descriptions; beside JSON lines, so are JSON files. */
    private static TextInput table(Named named, FileList found) {
        boolean parquet = names(found).anyMatch(name -> Format.of(name) == Format.PARQUET);
        boolean lines = names(found).anyMatch(Format::isJsonLines);
        if (parquet && lines) {
            throw new ConfigException("%s holds Parquet and JSON lines, which are two tables; name one of them", named);
        }
        Format format = parquet ? Format.PARQUET : Format.JSON;
        Predicate<String> belongs =
                name -> Format.of(name) == format && (parquet || !lines || Format.isJsonLines(name));
        FileList chosen = found.filter(belongs);
        if (chosen.isEmpty()) {
            throw new ConfigException(
                    "%s is text, without columns; drop %s, or give a Parquet or JSON lines table",
                    named, named.columnOption());
        }
        names(found)
                .filter(belongs.negate())
                .findFirst()
                .ifPresent(other -> LOG.info(
                        "{}: {} file(s) of {} are read; the others, such as {}, are not",
                        named,
                        chosen.size(),
                        format,
                        other));
        return of(named, format, chosen);
    }

    private static TextInput of(Named named, Format format, FileList found) {
        names(found)
                .forEach(name -> FileCompression.of(name).unreadable(name).ifPresent(ending -> {
                    throw new DataException(
                            "%s of %s: %s files are not read; unpack it, or compress it by gzip, bzip2 or zstd",
                            name, named, ending);
                }));
        return new TextInput(named, format, found.as(format));
    }
}
