package dev.kindling.data.token;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.data.DataException;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HuggingFaceTokenizerTest {
    private static final BpeTokenizer GPT2 = new BpeTokenizer();
    private static final ByteLevelBpeTokenizer AS_MERGES = Gpt2Vocabulary.of(GPT2);

    /** Characters whose UTF-8 has every byte that UTF-8 can have, in all lengths, with white space of all kinds between. */
    static String nastyText() {
        String bytes = IntStream.concat(
                        IntStream.range(0, 0x900),
                        IntStream.iterate(0x900, c -> c < 0x110000, c -> c + 97).filter(c -> c < 0xd800 || c > 0xdfff))
                .mapToObj(Character::toString)
                .collect(Collectors.joining());
        return bytes
                + "It's we'll THEY'RE  don't\u2019s 'tis 'S\n\n\n"
                + "\tx  \u00a0\u3000 \u2028 y\r\n"
                + " 12\u00bd34 \u0664\u2167 \u4e2d\u6587\u5b57\u7b26\u3001\u65e5\u672c\u8a9e \ud55c\uad6d\uc5b4"
                + " \ud83d\ude00\ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67\ud83c\uddeb\ud83c\uddf7 e\u0301"
                + " <|endoftext|>  ";
    }

    @Test
    void mergesGiveGpt2sIds() {
        String nasty = nastyText();
        assertThat(AS_MERGES.encode(nasty)).isEqualTo(GPT2.encode(nasty));
        assertThat(AS_MERGES.decode(AS_MERGES.encode(nasty))).isEqualTo(nasty);
        Random random = new Random(5);
        String letters = "  \n\t'aetsll dmrev\u00e9\u4e2d\ud83d\ude00 01-.,!";
        for (int i = 0; i < 2000; i++) {
            String text = random.ints(random.nextInt(40), 0, letters.codePointCount(0, letters.length()))
                    .map(at -> letters.codePointAt(letters.offsetByCodePoints(0, at)))
                    .mapToObj(Character::toString)
                    .collect(Collectors.joining());
            assertThat(AS_MERGES.encode(text)).as(text).isEqualTo(GPT2.encode(text));
        }
    }

    @Test
    void aLongWordTakesNoSquareOfTime() {
        String word = "ab".repeat(500_000);
        assertThat(AS_MERGES.decode(AS_MERGES.encode(word))).isEqualTo(word);
    }

    @Test
    void gpt2IsRecognised() {
        String json = HuggingFaceTokenizer.toJson(GPT2).toString();
        assertThat(HuggingFaceTokenizer.read(json, Optional.empty(), "t")).isEqualTo(GPT2);
        ObjectNode vocab = (ObjectNode) HuggingFaceTokenizer.toJson(GPT2).at("/model/vocab");
        String merges = "#version: 0.2\n" + String.join("\n", AS_MERGES.merges()) + "\n";
        assertThat(HuggingFaceTokenizer.read(vocab.toString(), merges, Optional.empty(), "t"))
                .isEqualTo(GPT2);
    }

    private static ByteLevelBpeTokenizer small() {
        List<String> bytes = IntStream.range(0, 256)
                .mapToObj(value -> ByteAlphabet.spell(new byte[] {(byte) value}))
                .collect(Collectors.toList());
        bytes.addAll(List.of("th", "the", "\u0120the", "<|endoftext|>", "<pad>"));
        return ByteLevelBpeTokenizer.of(
                bytes, List.of("t h", "th e", "\u0120 the"), Set.of(259, 260), OptionalInt.of(259), "small");
    }

    @Test
    void anotherVocabularyComesBackTheSameAndSavesItself() {
        ByteLevelBpeTokenizer small = small();
        String json = HuggingFaceTokenizer.toJson(small).toString();
        assertThat(HuggingFaceTokenizer.read(json, Optional.empty(), "t")).isEqualTo(small);
        assertThat(HuggingFaceTokenizer.read(
                        json.replaceAll("\"([^\" ]+) ([^\" ]+)\"", "[\"$1\",\"$2\"]"), Optional.empty(), "t"))
                .isEqualTo(small);
        assertThat(Tokenizers.fromJson(Tokenizers.toJson(small), "t")).isEqualTo(small);
        assertThat(small.encode("the the")).containsExactly(257, 258);
        assertThat(small.utf8Length(new int[] {257, 258, 259})).isEqualTo(7);
        assertThat(small.decode(small.encode(nastyText()))).isEqualTo(nastyText());
    }

    @Test
    void charactersComeBackTheSame() {
        CharTokenizer characters = CharTokenizer.of("\n a'\"\\z\u00e9\u4e2d\ud83d\ude00\u0000".codePoints());
        String json = HuggingFaceTokenizer.toJson(characters).toString();
        assertThat(HuggingFaceTokenizer.read(json, Optional.empty(), "t")).isEqualTo(characters);
        assertThatThrownBy(() -> HuggingFaceTokenizer.toJson(CharTokenizer.of("\ud83d".codePoints())))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("U+D83D");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            "normalizer":null             | "normalizer":{"type":"NFC"}   | normalizer {"type":"NFC"}
            "add_prefix_space":false      | "add_prefix_space":true       | pre_tokenizer
            "pre_tokenizer":{"type":"ByteLevel" | "pre_tokenizer":{"type":"Whitespace" | pre_tokenizer {"type":"Whitespace"
            "post_processor":{"type":"ByteLevel" | "post_processor":{"type":"TemplateProcessing" | post_processor
            "dropout":null                | "dropout":0.1                 | model.dropout 0.1
            "byte_fallback":false         | "byte_fallback":true          | model.byte_fallback
            "type":"BPE"                  | "type":"Unigram"              | model.type "Unigram"
            "special":true                | "special":false               | an added token that is not special
            "th":256                      | "th":300                      | token "th" has id 300
            "th":256                      | "th":"256"                    | token "th" has id "256"
            "th":256                      | "tj":256                      | merge 0, "t h"
            "t h"                         | "th"                          | merge 0, "th"
            "a":97                        | "a":98                        | of its own
            "th":256,                     | ``                            | no token has id 256
            }                             | ]                             | is not JSON
            """)
    void whatIsNotSupportedIsNamed(String from, String to, String why) {
        String json = HuggingFaceTokenizer.toJson(small()).toString();
        assertThat(json).contains(from);
        assertThatThrownBy(() -> HuggingFaceTokenizer.read(
                        json.replace(from, to == null ? "" : to), Optional.empty(), "x/tokenizer.json"))
                .isInstanceOf(DataException.class)
                .hasMessageStartingWith("x/tokenizer.json")
                .hasMessageContaining(why)
                .message()
                .doesNotContain("\n");
    }
}
