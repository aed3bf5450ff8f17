package dev.kindling.input;

import dev.kindling.config.ConfigException;
import dev.kindling.data.DataException;
import dev.kindling.data.corpus.NotTextException;
import dev.kindling.data.corpus.Utf8Decoder;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.HadoopReadOptions;
import org.apache.parquet.column.page.PageReadStore;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.convert.GroupRecordConverter;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.metadata.BlockMetaData;
import org.apache.parquet.hadoop.util.HadoopStreams;
import org.apache.parquet.io.ColumnIOFactory;
import org.apache.parquet.io.RecordReader;
import org.apache.parquet.io.SeekableInputStream;
import org.apache.parquet.schema.LogicalTypeAnnotation;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.PrimitiveType;
import org.apache.parquet.schema.Type;

/**
 * Rows of Parquet. Of its columns only those that are named are read, so the others may be of any type. A range has of each
 * row group the share of rows that it has of its bytes, so that a large group is divided among tasks.
 */
final class ParquetRows implements TableRows {
    private final InputFile file;
    private final ParquetFileReader reader;
    private final MessageType columns;
    private final List<BlockMetaData> groups;
    private final long begin;
    private final long end;
    private int group = -1;
    private RecordReader<Group> records;
    private long number;
    private long left;

    ParquetRows(InputFile file, long begin, long end) throws IOException {
        this.file = file;
        this.begin = begin;
        this.end = end;
        reader = open(file, Storage.settings());
        try {
            groups = reader.getRowGroups();
            columns = columns(file, reader.getFileMetaData().getSchema());
            reader.setRequestedSchema(columns);
        } catch (RuntimeException e) {
            reader.close();
            throw e;
        }
    }

    private static ParquetFileReader open(InputFile file, Configuration hadoop) throws IOException {
        // With these options; the defaults would parse Hadoop's configuration files anew for every range.
        return ParquetFileReader.open(
                new StoredParquet(file, hadoop),
                HadoopReadOptions.builder(hadoop).build());
    }

    /** A file, read with the patience that this program has with its stores. */
    private record StoredParquet(InputFile file, Configuration hadoop) implements org.apache.parquet.io.InputFile {
        @Override
        public long getLength() {
            return file.bytes();
        }

        @Override
        public SeekableInputStream newStream() throws IOException {
            return HadoopStreams.wrap(file.open(hadoop));
        }
    }

    /**
     * Fails early where a table lacks the columns that were named.
     *
     * @throws ConfigException if it does, or they are of another type
     * @throws DataException if the file cannot be read
     */
    static void requireColumns(InputFile file, Configuration hadoop) {
        try (ParquetFileReader reader = open(file, hadoop)) {
            columns(file, reader.getFileMetaData().getSchema());
        } catch (ConfigException e) {
            throw e;
        } catch (IOException | RuntimeException e) { // Parquet's, for a damaged file
            throw file.unreadable(e);
        }
    }

    /** The columns that were named. */
    private static MessageType columns(InputFile file, MessageType schema) {
        Named named = file.named();
        Type text = column(named, named.columnOption(), named.column(), schema);
        if (!isText(text)) {
            throw new ConfigException(
                    "column '%s' of %s is %s, not text; name another with %s",
                    named.column(), named, words(text), named.columnOption());
        }
        if (named.idColumn() == null || named.idColumn().equals(named.column())) {
            return new MessageType(schema.getName(), text);
        }
        Type id = column(named, "--id-column", named.idColumn(), schema);
        if (!id.isPrimitive() || id.isRepetition(Type.Repetition.REPEATED)) {
            throw new ConfigException(
                    "column '%s' of %s is %s, and an id is one value; name another with --id-column",
                    named.idColumn(), named, words(id));
        }
        return new MessageType(schema.getName(), text, id);
    }

    private static Type column(Named named, String option, String name, MessageType schema) {
        if (!schema.containsField(name)) {
            List<String> names = schema.getFields().stream().map(Type::getName).toList();
            throw new ConfigException(
                    "%s has no column '%s', only %s; name one of them with %s",
                    named, name, String.join(", ", names), option);
        }
        return schema.getType(name);
    }

    private static boolean isText(Type type) {
        LogicalTypeAnnotation meaning = type.getLogicalTypeAnnotation();
        return type.isPrimitive()
                && !type.isRepetition(Type.Repetition.REPEATED)
                && Stream.of(
                                LogicalTypeAnnotation.stringType(),
                                LogicalTypeAnnotation.jsonType(),
                                LogicalTypeAnnotation.enumType())
                        .anyMatch(text -> text.equals(meaning));
    }

    private static String words(Type type) {
        LogicalTypeAnnotation meaning = type.getLogicalTypeAnnotation();
        String kind = !type.isPrimitive()
                ? "a group of columns"
                : type.asPrimitiveType().getPrimitiveTypeName().name().toLowerCase(Locale.ROOT);
        return meaning == null ? kind : kind + " (" + meaning.toString().toLowerCase(Locale.ROOT) + ")";
    }

    @Override
    public TableRow next() {
        try {
            while (left == 0) {
                if (!nextGroup()) {
                    return null;
                }
            }
            left--;
            return row(records.read(), file.uri() + "#" + number++);
        } catch (IOException | RuntimeException e) {
            throw e instanceof DataException known ? known : file.unreadable(e);
        }
    }

    private boolean nextGroup() throws IOException {
        group++;
        if (group == groups.size()) {
            return false;
        }
        long from = rowAt(begin);
        long to = rowAt(end);
        number = firstRow() + from;
        left = to - from;
        if (left > 0) {
            PageReadStore pages = reader.readRowGroup(group);
            records = new ColumnIOFactory()
                    .getColumnIO(columns, reader.getFileMetaData().getSchema())
                    .getRecordReader(pages, new GroupRecordConverter(columns));
            for (long i = 0; i < from; i++) {
                records.read();
            }
        }
        return true;
    }

    private long firstRow() {
        return groups.subList(0, group).stream()
                .mapToLong(BlockMetaData::getRowCount)
                .sum();
    }

    /** The row of this group that begins at or after a place of the file, as if all were of one length. */
    private long rowAt(long place) {
        long first = group == 0 ? 0 : groups.get(group).getStartingPos();
        long last = group + 1 == groups.size()
                ? file.bytes()
                : groups.get(group + 1).getStartingPos();
        double share = (double) (Math.max(first, Math.min(place, last)) - first) / (last - first);
        return (long) Math.ceil(share * groups.get(group).getRowCount());
    }

    private TableRow row(Group row, String key) {
        String id = key;
        try {
            if (file.named().idColumn() != null) {
                id = value(row, file.named().idColumn(), key);
            }
            String text = value(row, file.named().column(), null);
            return text == null ? TableRow.bad(key, id, "is null") : new TableRow(key, id, text, null);
        } catch (NotTextException e) {
            return TableRow.bad(key, id, e.getMessage());
        }
    }

    private static String value(Group row, String column, String missing) throws NotTextException {
        if (row.getFieldRepetitionCount(column) == 0) {
            return missing;
        }
        Type type = row.getType().getType(column);
        if (isText(type)) {
            return Utf8Decoder.decode(row.getBinary(column, 0).getBytes(), 0);
        }
        PrimitiveType primitive = type.asPrimitiveType();
        return switch (primitive.getPrimitiveTypeName()) {
            case INT32 -> primitive.stringifier().stringify(row.getInteger(column, 0));
            case INT64 -> primitive.stringifier().stringify(row.getLong(column, 0));
            case BOOLEAN -> primitive.stringifier().stringify(row.getBoolean(column, 0));
            case FLOAT -> primitive.stringifier().stringify(row.getFloat(column, 0));
            case DOUBLE -> primitive.stringifier().stringify(row.getDouble(column, 0));
            case INT96 -> primitive.stringifier().stringify(row.getInt96(column, 0));
            case BINARY, FIXED_LEN_BYTE_ARRAY -> primitive.stringifier().stringify(row.getBinary(column, 0));
        };
    }

    @Override
    public void close() {
        try {
            reader.close();
        } catch (IOException e) {
            throw file.unreadable(e);
        }
    }
}
