package dev.kindling.input;

import dev.kindling.config.ConfigException;
import dev.kindling.data.DataException;
import dev.kindling.data.StoreException;
import dev.kindling.storage.PathException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.function.Predicate;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the user named, found and checked by the driver: the files of one format, in the order of their names. Text files are
 * a document each; tables, of JSON lines or Parquet, have one in each row.
 */
public record TextInput(Named named, Format format, List<InputFile> files) {
    private static final Logger LOG = LoggerFactory.getLogger(TextInput.class);

    /**
     * Lists it.
     *
     * @throws PathException if there is nothing of that name
     * @throws ConfigException if a column is named that does not fit it, or none for a table
     * @throws DataException if it cannot be listed, or holds what cannot be read
     */
    public static TextInput of(Named named, Configuration hadoop) {
        List<FileWalk.Found> found;
        try {
            Path root = named.resolve(hadoop);
            found = FileWalk.of(named, root, hadoop);
        } catch (FileNotFoundException e) {
            throw named.missing(e);
        } catch (StoreException e) {
            throw e;
        } catch (IOException | java.io.UncheckedIOException e) {
            throw new DataException(
                    String.format(
                            Locale.ROOT,
                            "cannot list %s (%s); check the path and its permissions",
                            named,
                            DataException.reason(e)),
                    e);
        }
        if (found.isEmpty()) {
            throw new DataException(String.format(
                    Locale.ROOT,
                    "%s holds no files (names that begin with . or _ are passed over); give text or a table",
                    named));
        }
        TextInput input = named.column() == null ? text(named, found) : table(named, found);
        if (input.format() == Format.PARQUET) {
            ParquetRows.requireColumns(input.files().get(0), hadoop);
        }
        return input;
    }

    private static TextInput text(Named named, List<FileWalk.Found> found) {
        if (named.idColumn() != null) {
            throw new ConfigException(String.format(
                    Locale.ROOT,
                    "--id-column names a column of a table, whose text is in another; name that with %s",
                    named.columnOption()));
        }
        boolean onlyJson = found.stream().allMatch(file -> Format.of(file.name()) == Format.JSON);
        for (FileWalk.Found file : found) {
            Format format = Format.of(file.name());
            if (format == Format.PARQUET || Format.isJsonLines(file.name()) || onlyJson) {
                throw new ConfigException(String.format(
                        Locale.ROOT,
                        "%s of %s is a %s table; name its column of text with %s",
                        file.name(),
                        named,
                        format,
                        named.columnOption()));
            }
        }
        return of(named, Format.TEXT, found);
    }

    /** Beside Parquet other files are descriptions; beside JSON lines, so are JSON files. */
    private static TextInput table(Named named, List<FileWalk.Found> found) {
        boolean parquet = found.stream().anyMatch(file -> Format.of(file.name()) == Format.PARQUET);
        boolean lines = found.stream().anyMatch(file -> Format.isJsonLines(file.name()));
        if (parquet && lines) {
            throw new ConfigException(String.format(
                    Locale.ROOT, "%s holds Parquet and JSON lines, which are two tables; name one of them", named));
        }
        Format format = parquet ? Format.PARQUET : Format.JSON;
        Predicate<FileWalk.Found> belongs =
                file -> Format.of(file.name()) == format && (parquet || !lines || Format.isJsonLines(file.name()));
        List<FileWalk.Found> chosen = found.stream().filter(belongs).toList();
        if (chosen.isEmpty()) {
            throw new ConfigException(String.format(
                    Locale.ROOT,
                    "%s is text, without columns; drop %s, or give a Parquet or JSON lines table",
                    named,
                    named.columnOption()));
        }
        List<String> others = found.stream()
                .filter(belongs.negate())
                .map(FileWalk.Found::name)
                .toList();
        if (!others.isEmpty()) {
            LOG.info(
                    "{}: {} file(s) of {} are read; the others, such as {}, are not",
                    named,
                    chosen.size(),
                    format,
                    others.get(0));
        }
        return of(named, format, chosen);
    }

    private static TextInput of(Named named, Format format, List<FileWalk.Found> found) {
        for (FileWalk.Found file : found) {
            FileCompression.of(file.name()).unreadable(file.name()).ifPresent(ending -> {
                throw new DataException(String.format(
                        Locale.ROOT,
                        "%s of %s: %s files are not read; unpack it, or compress it by gzip, bzip2 or zstd",
                        file.name(),
                        named,
                        ending));
            });
        }
        return new TextInput(
                named,
                format,
                found.stream()
                        .map(file -> new InputFile(
                                named, format, file.name(), file.path().toString(), file.bytes()))
                        .toList());
    }
}
