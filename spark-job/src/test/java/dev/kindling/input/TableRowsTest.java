package dev.kindling.input;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.github.luben.zstd.ZstdOutputStream;
import dev.kindling.config.ConfigException;
import dev.kindling.data.DataException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.compressors.bzip2.BZip2CompressorOutputStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.SimpleGroup;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.example.ExampleParquetWriter;
import org.apache.parquet.io.LocalOutputFile;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TableRowsTest {
    private static final Configuration HADOOP = new Configuration();

    /** A column of every kind beside the text. */
    private static final MessageType SCHEMA = MessageTypeParser.parseMessageType("""
            message table {
              optional boolean bool;
              optional int32 i8 (INTEGER(8, true));
              optional int32 i16 (INTEGER(16, true));
              optional float f32;
              optional double f64;
              optional binary bin;
              optional fixed_len_byte_array(4) fixed;
              optional int64 ts (TIMESTAMP(MICROS, true));
              optional int96 legacy;
              optional int32 day (DATE);
              optional int64 time (TIME(MICROS, true));
              optional int32 price (DECIMAL(9, 2));
              optional group map (MAP) { repeated group key_value { required binary key (STRING); optional int32 value; } }
              optional group list (LIST) { repeated group list { optional binary element (STRING); } }
              optional binary text (STRING);
              optional int64 id;
            }
            """);

    @TempDir
    private Path folder;

    /** Rows of the text alone, null for none, in row groups of {@code rowsAGroup}. */
    static void writeParquet(Path file, int rowsAGroup, List<String> texts) throws IOException {
        writeParquet(
                file,
                rowsAGroup,
                texts.stream()
                        .map(text -> text == null ? null : text.getBytes(StandardCharsets.UTF_8))
                        .toArray(byte[][]::new));
    }

    private static void writeParquet(Path file, int rowsAGroup, byte[][] texts) throws IOException {
        Files.createDirectories(file.getParent());
        try (ParquetWriter<Group> writer = ExampleParquetWriter.builder(new LocalOutputFile(file))
                .withType(SCHEMA)
                .withRowGroupRowCountLimit(rowsAGroup)
                .build()) {
            for (int i = 0; i < texts.length; i++) {
                SimpleGroup row = new SimpleGroup(SCHEMA);
                row.append("bool", true)
                        .append("i8", 7)
                        .append("f32", 1.5f)
                        .append("price", 1999)
                        .append("id", 100L + i);
                row.addGroup("list").addGroup("list").append("element", "x");
                if (texts[i] != null) {
                    row.append("text", Binary.fromConstantByteArray(texts[i]));
                }
                writer.write(row);
            }
        }
    }

    private TextInput table(String name, String idColumn) {
        Named named = Named.data(folder.resolve(name).toString(), Optional.of("text"), Optional.ofNullable(idColumn));
        return TextInput.of(named, HADOOP);
    }

    private static List<TableRow> rows(InputFile file, long begin, long end) {
        List<TableRow> read = new ArrayList<>();
        try (TableRows rows = TableRows.of(file, begin, end)) {
            for (TableRow row = rows.next(); row != null; row = rows.next()) {
                read.add(row);
            }
        }
        return read;
    }

    static List<String> texts(TextInput input) {
        return input.files().stream()
                .flatMap(file -> rows(file, 0, file.bytes()).stream())
                .map(TableRow::text)
                .toList();
    }

    private List<TableRow> json(String name, String content) throws IOException {
        Files.writeString(folder.resolve(name), content);
        TextInput input = table(name, "id");
        return rows(input.files().get(0), 0, input.files().get(0).bytes());
    }

    @Test
    void rangesThatTouchHaveEveryRowOnce() throws IOException {
        List<String> texts = IntStream.range(0, 50)
                .mapToObj(i -> "row " + i + " \u00e9".repeat(i % 7))
                .toList();
        writeParquet(folder.resolve("t.parquet"), 13, texts);
        Files.write(
                folder.resolve("t.jsonl"),
                texts.stream().map(text -> "{\"text\": \"" + text + "\"}").toList());
        for (String name : List.of("t.parquet", "t.jsonl")) {
            InputFile file = table(name, null).files().get(0);
            List<TableRow> whole = rows(file, 0, file.bytes());
            assertThat(whole).extracting(TableRow::text).isEqualTo(texts);
            assertThat(whole).extracting(TableRow::key).doesNotHaveDuplicates();
            // Opening a Parquet file takes milliseconds.
            for (int range : name.endsWith(".parquet") ? new int[] {97, 1000} : new int[] {1, 7, 100, 1000}) {
                List<TableRow> joined = new ArrayList<>();
                for (long begin = 0; begin < file.bytes(); begin += range) {
                    joined.addAll(rows(file, begin, Math.min(file.bytes(), begin + range)));
                }
                assertThat(joined).as("%s by %d", name, range).isEqualTo(whole);
            }
        }
    }

    @Test
    void ofParquetOnlyTheNamedColumnsAreRead() throws IOException {
        writeParquet(folder.resolve("t.parquet"), 10, Arrays.asList("one", null, "two"));
        TextInput input = table("t.parquet", "id");
        List<TableRow> rows = rows(input.files().get(0), 0, input.files().get(0).bytes());
        assertThat(rows).extracting(TableRow::id).containsExactly("100", "101", "102");
        assertThat(rows).extracting(TableRow::text).containsExactly("one", null, "two");
        assertThat(rows).extracting(TableRow::problem).containsExactly(null, "document 101 is null", null);
        input = table("t.parquet", "price");
        assertThat(rows(input.files().get(0), 0, input.files().get(0).bytes())
                        .get(0)
                        .id())
                .isEqualTo("19.99");
    }

    @Test
    void columnsThatDoNotFitAreRefused() throws IOException {
        writeParquet(folder.resolve("t.parquet"), 10, List.of("one"));
        String path = folder.resolve("t.parquet").toString();
        for (String[] refused : new String[][] {
            {"none", "has no column 'none', only bool, i8"},
            {"bin", "is binary, not text"},
            {"id", "is int64, not text"},
            {"list", "is a group of columns (list), not text"}
        }) {
            Named named = Named.corpusOption(path, Optional.of(refused[0]));
            assertThatThrownBy(() -> TextInput.of(named, HADOOP))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining("corpus " + path)
                    .hasMessageContaining(refused[1])
                    .hasMessageEndingWith("--column");
        }
        assertThatThrownBy(() -> table("t.parquet", "map")).hasMessageContaining("an id is one value");
        Files.write(folder.resolve("t.parquet"), new byte[100]);
        assertThatThrownBy(() -> table("t.parquet", null))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("cannot read t.parquet");
    }

    @Test
    void textIsStrictUtf8InParquetAndJson() throws IOException {
        byte[] latin1 = "Gr\u00fc\u00dfe".getBytes(StandardCharsets.ISO_8859_1);
        writeParquet(folder.resolve("t.parquet"), 10, new byte[][] {latin1, "fine".getBytes(StandardCharsets.UTF_8)});
        InputFile file = table("t.parquet", null).files().get(0);
        assertThat(rows(file, 0, file.bytes()))
                .extracting(TableRow::problem)
                .containsExactly("document " + file.uri() + "#0 is not UTF-8: invalid byte 0xFC at offset 2", null);
        Files.write(
                folder.resolve("t.jsonl"),
                "{\"text\": \"fine\"}\n{\"text\": \"\u00fc\"}\n".getBytes(StandardCharsets.ISO_8859_1));
        file = table("t.jsonl", null).files().get(0);
        assertThat(rows(file, 0, file.bytes()))
                .extracting(TableRow::problem)
                .containsExactly(null, "document " + file.uri() + "#17 is not UTF-8: invalid byte 0xFC at offset 27");
    }

    @Test
    void aLineIsOneObjectAllOfIt() throws IOException {
        List<TableRow> rows = json("t.jsonl", """
                \ufeff{"text": "a", "id": 7}

                {"text": "b"} {"text": "lost"}
                {"text": "c", "text": "lost"}
                {"text": "\\ud83d", "id": "half"}
                {"text": "\\ud83d\\ude00", "id": "pair"}
                ["d"]
                {"text": 5}
                {"text": null}
                {}
                text
                {"text": "last"}""");
        assertThat(rows)
                .filteredOn(row -> row.problem() == null)
                .extracting(TableRow::text)
                .containsExactly("a", "\ud83d\ude00", "last");
        assertThat(rows.get(0).id()).isEqualTo("7");
        assertThat(rows)
                .extracting(row -> row.problem() == null ? "" : row.problem().replaceAll("document \\S+ ", ""))
                .containsExactly(
                        "",
                        "has more than one JSON value on its line",
                        "is not JSON (Duplicate field 'text')",
                        "has half of a surrogate pair, \\uD83D, which is no character",
                        "",
                        "is not a JSON object, but of type array",
                        "has NUMBER in 'text', not text",
                        "is null",
                        "has no 'text'",
                        "is not JSON (Unrecognized token 'text': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false'))",
                        "");
    }

    @Test
    void aRowMayBeLong() throws IOException {
        String text = "word ".repeat(4_200_000);
        List<TableRow> rows = json("t.jsonl", "{\"text\": \"" + text + "\"}\n{\"text\": \"next\"}\n");
        assertThat(rows.get(0).text()).isEqualTo(text);
        assertThat(rows.get(1).text()).isEqualTo("next");
    }

    @Test
    void compressedLinesAreRead() throws IOException {
        byte[] lines = "{\"text\": \"one\"}\n{\"text\": \"two\"}\n".getBytes(StandardCharsets.UTF_8);
        for (String ending : List.of(".gz", ".bz2", ".zst")) {
            ByteArrayOutputStream stored = new ByteArrayOutputStream();
            for (int member = 0; member < 2; member++) { // as cat joins them
                try (OutputStream out = compressing(ending, stored)) {
                    out.write(lines);
                }
            }
            Files.write(folder.resolve("t.jsonl" + ending), stored.toByteArray());
            assertThat(texts(table("t.jsonl" + ending, null))).as(ending).containsExactly("one", "two", "one", "two");
            for (int length : new int[] {10, stored.size() / 2 + 12, stored.size() - 1}) {
                Files.write(folder.resolve("t.jsonl" + ending), Arrays.copyOf(stored.toByteArray(), length));
                assertThatThrownBy(() -> texts(table("t.jsonl" + ending, null)))
                        .as("%d bytes of %s", length, ending)
                        .isInstanceOf(DataException.class)
                        .hasMessageContaining("cannot read t.jsonl" + ending);
            }
        }
    }

    static OutputStream compressing(String ending, OutputStream out) throws IOException {
        return switch (ending) {
            case ".gz" -> new GZIPOutputStream(out);
            case ".bz2" -> new BZip2CompressorOutputStream(out);
            default -> new ZstdOutputStream(out);
        };
    }
}
