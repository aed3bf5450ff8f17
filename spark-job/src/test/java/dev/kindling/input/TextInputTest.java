package dev.kindling.input;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.kindling.config.ConfigException;
import dev.kindling.data.DataException;
import dev.kindling.storage.PathException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is read of what the user named: nothing is left out, read twice, waited for, or another's. */
@Timeout(30)
class TextInputTest {
    private static final Configuration HADOOP = new Configuration();

    @TempDir
    private Path folder;

    private void write(String... names) throws IOException {
        for (String name : names) {
            Path file = folder.resolve(name);
            Files.createDirectories(file.getParent());
            Files.writeString(file, name.endsWith(".jsonl") ? "{\"text\": \"a row\"}\n" : "to be");
        }
    }

    private TextInput list(String path, String column) {
        Named named = Named.data(folder.resolve(path).toString(), Optional.ofNullable(column), Optional.empty());
        return TextInput.of(named, HADOOP);
    }

    private List<String> names(String path, String column) {
        return list(path, column).files().stream().map(InputFile::name).toList();
    }

    private void assertRefused(Class<?> type, String column, String... said) {
        assertThatThrownBy(() -> list("", column)).isInstanceOf(type).hasMessageContainingAll(said);
    }

    @Test
    void documentsAreAllFilesBelowAFolderInTheOrderOfTheirNamesButForMarkers() throws IOException {
        write("b.txt", "a/2 two.txt", "a/deep/er/1.txt", "_SUCCESS", ".hidden/x.txt", "a/_temporary/x.txt", "a/.x.crc");
        assertThat(names("", null)).containsExactly("a/2 two.txt", "a/deep/er/1.txt", "b.txt");
    }

    /** Names that Hadoop and Spark take for patterns, lists, schemes, or markers. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "x[1].jsonl",
                "{a,b}.jsonl",
                "a,b.jsonl",
                "wh?t.jsonl",
                "st*r.jsonl",
                "_x.jsonl",
                ".x.jsonl",
                "10:30.jsonl",
                "a b%20c.jsonl",
                "b\\c.jsonl",
                "h#sh.jsonl",
                "\u00fcbung.jsonl"
            })
    void aPathIsAName(String name) throws IOException {
        write(name, "x1.jsonl", "a.jsonl", "b.jsonl", "what.jsonl", "star.jsonl", "sub " + name + "/" + "in.jsonl");
        TextInput file = list(name, "text");
        assertThat(file.files()).hasSize(1);
        assertThat(file.files().get(0).name()).isEqualTo(name);
        assertThat(TableRowsTest.texts(file)).containsExactly("a row");
        TextInput inFolder = list("sub " + name, "text");
        assertThat(TableRowsTest.texts(inFolder)).containsExactly("a row");
    }

    @ParameterizedTest
    @ValueSource(strings = {"none", "a:b.txt", "x[1].txt", "no such:/thing", "*"})
    void whatIsNotThereIsAnErrorOfUse(String name) throws IOException {
        write("x1.txt");
        Named named = Named.data(name, Optional.empty(), Optional.empty());
        assertThatThrownBy(() -> TextInput.of(named, HADOOP))
                .isInstanceOf(PathException.class)
                .hasMessage("--data " + name + " does not exist; give text files or a table");
    }

    @Test
    void aFolderWithoutFilesIsRefused() throws IOException {
        write(".hidden/a.txt");
        assertRefused(DataException.class, null, "holds no files");
    }

    @Test
    void linksAreFollowedButNeverTwice() throws IOException {
        write("in/a.txt", "other/b.txt");
        Files.createSymbolicLink(folder.resolve("in/b.txt"), folder.resolve("other/b.txt"));
        Files.createSymbolicLink(folder.resolve("in/more"), folder.resolve("other"));
        assertThatThrownBy(() -> list("in", null))
                .isInstanceOf(DataException.class)
                .hasMessageContainingAll("b.txt", "more/b.txt", "read twice; remove the link");
        Files.delete(folder.resolve("in/b.txt"));
        assertThat(names("in", null)).containsExactly("a.txt", "more/b.txt");
    }

    @Test
    void aLinkToItsOwnFolderIsRefused() throws IOException {
        write("a.txt");
        Files.createSymbolicLink(folder.resolve("self"), Path.of("."));
        assertRefused(DataException.class, null, "the folder itself and self", "read twice; remove the link");
    }

    @Test
    void aLinkToNothingIsRefused() throws IOException {
        write("a.txt");
        Files.createSymbolicLink(folder.resolve("gone.txt"), Path.of("nowhere"));
        assertRefused(DataException.class, null, "gone.txt", "a link to nothing");
    }

    @Test
    void aPipeIsNotWaitedFor() throws Exception {
        write("a.txt");
        assumeTrue(
                new ProcessBuilder("mkfifo", folder.resolve("pipe").toString())
                                .start()
                                .waitFor()
                        == 0,
                "no mkfifo");
        assertRefused(DataException.class, null, "pipe of --data", "a pipe or a device", "write it to a file");
        assertThatThrownBy(() -> list("pipe", null)).hasMessageContaining("a pipe or a device");
    }

    @Test
    void aNameThatThisProcessCannotExpressIsRefused() throws Exception {
        write("a.txt");
        String[] touch = {"bash", "-c", "touch \"$0\"/$'\\xff.txt'", folder.toString()};
        assumeTrue(new ProcessBuilder(touch).start().waitFor() == 0, "this file system takes UTF-8 names only");
        assertRefused(DataException.class, null, "cannot express", "LC_ALL=C.UTF-8");
    }

    @Test
    void runsAndShardsAreNoText() throws IOException {
        write("a.txt", "runs/one/config.yaml", "runs/one/metrics.jsonl", "runs/one/kindling.log");
        assertRefused(DataException.class, null, "runs/one/", "is a run of Kindling's", "move it");
        Files.delete(folder.resolve("runs/one/config.yaml"));
        Files.delete(folder.resolve("runs/one/metrics.jsonl"));
        write("shards/manifest.json", "shards/train-00000-0000.bin");
        assertRefused(DataException.class, null, "shards/", "is a set of prepared shards");
    }

    @Test
    void nothingIsWrittenIntoWhatIsRead() throws IOException {
        write("a.txt");
        Named named = Named.data(folder.toString(), Optional.empty(), Optional.empty());
        org.apache.hadoop.fs.Path root = named.resolve(HADOOP);
        assertThatThrownBy(() -> named.requireOutside(new org.apache.hadoop.fs.Path(root, "runs/x"), HADOOP))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("choose another --out");
        named.requireOutside(new org.apache.hadoop.fs.Path(root.getParent(), root.getName() + "2"), HADOOP);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "a.txt b.txt meta.json                 | text    |      | a.txt b.txt meta.json",
                "README.md data/1.parquet info.json    | Parquet | text | data/1.parquet",
                "README.md data.jsonl info.json        | JSON lines | text | data.jsonl",
                "part-0.json part-1.json               | JSON lines | text | part-0.json part-1.json",
                "x.NDJSON.gz y.jsonl                   | JSON lines | text | x.NDJSON.gz y.jsonl",
                "a.txt b.txt.gz c.bz2 d.zst            | text    |      | a.txt b.txt.gz c.bz2 d.zst"
            })
    void theFilesOfOneFormatAreRead(String files, String format, String column, String read) throws IOException {
        write(files.strip().split(" "));
        if (format.equals("Parquet")) {
            Files.delete(folder.resolve("data/1.parquet"));
            TableRowsTest.writeParquet(folder.resolve("data/1.parquet"), 1, List.of("a row"));
        }
        TextInput input = list("", column);
        assertThat(input.format()).hasToString(format);
        assertThat(input.files()).extracting(InputFile::name).containsExactly(read.split(" "));
    }

    @Test
    void columnsAndTablesGoTogether() throws IOException {
        write("a.txt");
        assertRefused(ConfigException.class, "text", "is text, without columns; drop --column");
        write("b.jsonl");
        assertRefused(
                ConfigException.class, null, "b.jsonl", "JSON lines table", "name its column of text with --column");
        TableRowsTest.writeParquet(folder.resolve("c.parquet"), 1, List.of("a row"));
        assertRefused(ConfigException.class, "text", "holds Parquet and JSON lines", "name one of them");
    }

    @ParameterizedTest
    @ValueSource(strings = {"b.tar.gz", "b.zip", "b.xz", "b.txt.lz4", "b.TGZ"})
    void archivesAreRefusedByName(String name) throws IOException {
        write("a.txt", name);
        assertRefused(DataException.class, null, name, "files are not read; unpack it");
    }
}
