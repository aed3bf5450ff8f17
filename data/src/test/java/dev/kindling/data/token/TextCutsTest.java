package dev.kindling.data.token;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TextCutsTest {
    private static final String[] PIECES = {
        " ",
        "  ",
        "\n",
        "\n\n",
        "\t",
        "\r\n",
        "\u0085",
        "\u00a0",
        "\u2003",
        "\u3000",
        "\u2028",
        "\u200b",
        "a",
        "The",
        "don't",
        "'s",
        "'",
        "''",
        "\u2019s",
        "12345",
        "\u00b2",
        "\u2167",
        "...",
        "!",
        "_",
        "\u00e9t\u00e9",
        "e\u0301",
        "\u4e2d\u6587",
        "\u3002\n",
        "\ud83d\ude00",
        "\ud835\udd04",
        " word",
        "'re",
        "'ll",
        "l",
        "\u0930\u0941",
        "\u001c",
        "\ufeff"
    };

    private static int[] joined(Tokenizer tokenizer, String text, int cut) {
        return IntStream.concat(
                        IntStream.of(tokenizer.encode(text.substring(0, cut))),
                        IntStream.of(tokenizer.encode(text.substring(cut))))
                .toArray();
    }

    @Test
    void partsHaveTheTokensOfTheWhole() {
        Random random = new Random(3);
        Tokenizer gpt2 = new BpeTokenizer();
        int cuts = 0;
        for (int i = 0; i < 2000; i++) {
            StringBuilder built = new StringBuilder();
            for (int piece = 0; piece < 12; piece++) {
                built.append(PIECES[random.nextInt(PIECES.length)]);
            }
            String text = built.toString();
            int[] whole = gpt2.encode(text);
            for (int cut = gpt2.cuts().first(text, 1);
                    cut >= 0;
                    cut = gpt2.cuts().first(text, cut + 1)) {
                assertThat(joined(gpt2, text, cut)).as("%s at %d", text, cut).isEqualTo(whole);
                cuts++;
            }
        }
        assertThat(cuts).isGreaterThan(10_000);
    }

    /** A task sees a few characters around a place, another more: both must find the same. */
    @Test
    void cutsDoNotDependOnHowMuchOfTheTextIsSeen() {
        Random random = new Random(4);
        for (int i = 0; i < 2000; i++) {
            StringBuilder built = new StringBuilder("x");
            for (int piece = 0; piece < 9; piece++) {
                built.append(PIECES[random.nextInt(PIECES.length)]);
            }
            String text = built.toString();
            for (TextCuts cuts : TextCuts.values()) {
                for (int from = 1; from < text.length(); from++) {
                    int whole = cuts.first(text, from);
                    int end = Math.min(
                            text.length(),
                            text.offsetByCodePoints(from, text.codePointCount(from, text.length()) < 3 ? 0 : 3));
                    int seen = cuts.first(text.substring(0, end), from);
                    assertThat(seen < 0 || seen == whole).isTrue();
                    int before = text.offsetByCodePoints(from, Character.isLowSurrogate(text.charAt(from)) ? -2 : -1);
                    int late = cuts.first(text.substring(Math.max(0, before)), from - Math.max(0, before));
                    assertThat(late < 0 ? -1 : late + Math.max(0, before)).isEqualTo(whole);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "word0000001\r\nword0000002\r\n",
                "a\nb\nc\nd",
                "\u4e2d\u6587\u3002\u4e2d\u6587",
                "a1b2c3",
                "{\"a\":1}"
            })
    void thereAreSomeInTextWithoutSpaces(String text) {
        assertThat(TextCuts.GPT2.first(text, 2)).isBetween(2, 12);
    }

    @Test
    void charactersAreNeverCutInTwo() {
        assertThat(TextCuts.CHARACTERS.first("a\ud83d\ude00b", 2)).isEqualTo(3);
        assertThat(TextCuts.GPT2.first("\ud83d\ude00\ud83d\ude00", 1)).isEqualTo(-1);
    }
}
