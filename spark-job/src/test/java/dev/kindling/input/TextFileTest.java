package dev.kindling.input;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import dev.kindling.data.token.BpeTokenizer;
import dev.kindling.data.token.TextCuts;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class TextFileTest {
    @TempDir
    private Path folder;

    private InputFile file(String name, byte[] bytes) throws IOException {
        Path path = Files.write(folder.resolve(name), bytes);
        Named named = Named.data(path.toString(), Optional.empty(), Optional.empty());
        return TextInput.of(named, new Configuration()).files().get(0);
    }

    private static String text(int length) {
        String[] pieces = {"a", " ", "\n", "\r\n", "\u00e9", "\u4e2d", "\ud83d\ude00", "7", ".", "word"};
        Random random = new Random(9);
        return IntStream.range(0, length)
                .mapToObj(i -> pieces[random.nextInt(pieces.length)])
                .collect(Collectors.joining());
    }

    private static List<String> pieces(InputFile file, TextCuts cuts, long begin, long end) {
        List<String> read = new ArrayList<>();
        TextFile.use(file, cuts, text -> {
            TextPieces pieces = text.pieces(text.cut(begin), text.cut(end));
            for (String piece = pieces.next(); piece != null; piece = pieces.next()) {
                read.add(piece);
            }
        });
        return read;
    }

    @ParameterizedTest
    @EnumSource(TextCuts.class)
    void rangesThatTouchHaveEveryCharacterOnce(TextCuts cuts) throws IOException {
        String text = "\ufeff" + text(400);
        InputFile file = file("t.txt", text.getBytes(StandardCharsets.UTF_8));
        for (int range : new int[] {1, 2, 3, 5, 64, 1000}) {
            StringBuilder joined = new StringBuilder();
            for (long begin = 0; begin < file.bytes(); begin += range) {
                pieces(file, cuts, begin, begin + range).forEach(joined::append);
            }
            assertThat(joined).as("ranges of %d", range).hasToString(text.substring(1));
        }
    }

    @Test
    void piecesAreBoundedAndHaveTheTokensOfTheWhole() throws IOException {
        String text = text(300_000);
        BpeTokenizer tokenizer = new BpeTokenizer();
        List<String> pieces =
                pieces(file("t.txt", text.getBytes(StandardCharsets.UTF_8)), TextCuts.GPT2, 0, Long.MAX_VALUE);
        assertThat(pieces).hasSizeGreaterThan(3).allMatch(piece -> piece.length() < TextPieces.PIECE + 100);
        assertThat(pieces.stream()
                        .flatMapToInt(piece -> IntStream.of(tokenizer.encode(piece)))
                        .toArray())
                .isEqualTo(tokenizer.encode(text));
    }

    @ParameterizedTest
    @ValueSource(strings = {".gz", ".bz2", ".zst", ".GZ"})
    void compressedTextIsThatOfThePlainFile(String ending) throws IOException {
        String text = text(200_000);
        Path path = folder.resolve("t.txt" + ending);
        try (OutputStream out =
                TableRowsTest.compressing(ending.toLowerCase(java.util.Locale.ROOT), Files.newOutputStream(path))) {
            out.write(text.getBytes(StandardCharsets.UTF_8));
        }
        InputFile file = file("t.txt" + ending, Files.readAllBytes(path));
        assertThat(file.ranges(10)).isEqualTo(1);
        assertThat(String.join("", pieces(file, TextCuts.GPT2, 0, file.bytes())))
                .isEqualTo(text);
    }

    @Test
    void whatIsNoTextIsRefusedWithItsPlaceInTheFile() throws IOException {
        byte[] bytes = text(200_000).getBytes(StandardCharsets.UTF_8);
        int at = bytes.length - 7;
        bytes[at] = (byte) 0xFF;
        bytes[at - 1] = 'x';
        bytes[at - 2] = 'x';
        InputFile broken = file("t.txt", bytes);
        assertThatThrownBy(() -> pieces(broken, TextCuts.CHARACTERS, 0, broken.bytes()))
                .isInstanceOf(DataException.class)
                .hasMessageMatching(
                        "t.txt of --data .* is not UTF-8: invalid byte 0x.. at offset [0-9,]+; convert it.*");
        InputFile empty = file("t.txt.gz", new byte[] {'n', 'o', ' ', 'g', 'z'});
        assertThatThrownBy(() -> pieces(empty, TextCuts.CHARACTERS, 0, 5))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("cannot read t.txt.gz");
    }

    /** GPT-2 would have to take it as one pre-token; a character tokenizer can cut anywhere. */
    @Test
    void aRunOfLettersWithoutEndIsReadByCharacterOnly() throws IOException {
        InputFile file = file("t.txt", "a".repeat(20_000_000).getBytes(StandardCharsets.UTF_8));
        assertThat(pieces(file, TextCuts.CHARACTERS, 0, file.bytes()).stream()
                        .mapToInt(String::length)
                        .sum())
                .isEqualTo(20_000_000);
        assertThatThrownBy(() -> pieces(file, TextCuts.GPT2, 0, file.bytes()))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("no place to divide it");
    }
}
