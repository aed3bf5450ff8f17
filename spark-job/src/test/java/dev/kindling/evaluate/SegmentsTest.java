package dev.kindling.evaluate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.data.token.BpeTokenizer;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.input.Named;
import dev.kindling.input.TableRow;
import dev.kindling.input.TextInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A long document read in pieces gives the tokens of the whole. */
class SegmentsTest {
    private static final int BLOCK = 100;
    private static final String[] PIECES = {
        " ",
        "  ",
        "\n",
        "\n\n",
        "\t",
        "a",
        "The",
        "don't",
        "'s",
        "12345",
        "...",
        "!",
        "\u00e9t\u00e9",
        "\u3000",
        "\u00a0",
        "\u2003",
        "\u4e2d\u6587",
        "\u3002\n",
        "\ud83d\ude00",
        " word",
        " word",
        " word\n",
        "\r\n",
        "word0000001\r\nword0000002\r\n"
    };

    @TempDir
    private Path folder;

    private static String text(int pieces) {
        Random random = new Random(5);
        StringBuilder text = new StringBuilder("\u00e9 ");
        IntStream.range(0, pieces).forEach(i -> text.append(PIECES[random.nextInt(PIECES.length)]));
        return text.toString();
    }

    /** Collects what passages score, and checks that what they see before it is what comes before it. */
    private static final class Joined implements Passage.Tokens {
        private int[] tokens = new int[0];

        @Override
        public void begin(int[] context) {
            int[] before = Arrays.copyOfRange(tokens, Math.max(0, tokens.length - BLOCK), tokens.length);
            if (tokens.length > 0) {
                assertThat(context).endsWith(before).hasSizeLessThanOrEqualTo(BLOCK);
            }
        }

        @Override
        public void score(int[] more) {
            int length = tokens.length;
            tokens = Arrays.copyOf(tokens, length + more.length);
            System.arraycopy(more, 0, tokens, length, more.length);
        }
    }

    private void assertSame(Tokenizer tokenizer, String text) throws IOException {
        Path file = Files.writeString(folder.resolve("text.txt"), text);
        Named named = Named.data(file.toString(), Optional.empty(), Optional.empty());
        Segments segments = Segments.of(TextInput.of(named, new Configuration()).files());
        assertThat(segments.count()).isGreaterThan(3);
        Joined joined = new Joined();
        for (int task = 0; task < 4; task++) {
            segments.part(task, 4).texts().forEachRemaining(passage -> passage.read(tokenizer, BLOCK, joined));
        }
        assertThat(joined.tokens).isEqualTo(tokenizer.encode(text));
        assertThat(tokenizer.utf8Length(joined.tokens)).isEqualTo(Files.size(file));

        Joined row = new Joined();
        TextDocument.of(new TableRow("k", "i", text, null)).read(tokenizer, BLOCK, row);
        assertThat(row.tokens).isEqualTo(joined.tokens);
    }

    @Test
    void bytePairs() throws IOException {
        assertSame(new BpeTokenizer(), text(180_000));
    }

    @Test
    void characters() throws IOException {
        String text = text(180_000);
        assertSame(CharTokenizer.of(text.codePoints()), text);
    }
}
