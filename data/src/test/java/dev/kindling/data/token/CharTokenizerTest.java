package dev.kindling.data.token;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import dev.kindling.data.corpus.ShakespeareCorpus;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class CharTokenizerTest {
    private final CharTokenizer tokenizer = CharTokenizer.of("hello \ud83d\ude00 \u00e9\n");

    @Test
    void numbersDistinctCharactersInAscendingOrder() {
        assertThat(tokenizer.vocabSize()).isEqualTo(8);
        assertThat(tokenizer.codePoints()).containsExactly('\n', ' ', 'e', 'h', 'l', 'o', 0xE9, 0x1F600);
        assertThat(tokenizer.encode("hole\ud83d\ude00\n")).containsExactly(3, 5, 4, 2, 7, 0);
    }

    @Test
    void decodesWhatItEncoded() {
        assertThat(tokenizer.decode(tokenizer.encode("\u00e9 hello \ud83d\ude00")))
                .isEqualTo("\u00e9 hello \ud83d\ude00");
        assertThat(tokenizer.encode("")).isEmpty();
    }

    @Test
    void refusesACharacterOutsideTheVocabulary() {
        assertThatThrownBy(() -> tokenizer.encode("\ud83d\ude00hex"))
                .isInstanceOf(DataException.class)
                .hasMessageStartingWith(
                        "character 'x' (U+0078) at position 3 is not among the 8 of the char vocabulary; remove it");
        assertThatThrownBy(() -> tokenizer.encode("h\u0007"))
                .hasMessageStartingWith("character (unprintable) (U+0007) at position 1");
    }

    @Test
    void refusesAnIdOutsideTheVocabulary() {
        assertThatThrownBy(() -> tokenizer.decode(new int[] {0, 8}))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("id 8 at position 1 is outside the char vocabulary of 8 ids");
        assertThatThrownBy(() -> tokenizer.decode(new int[] {-1})).isInstanceOf(DataException.class);
    }

    @Test
    void isTheSameHoweverTheCharactersWereCollected() {
        CharTokenizer merged = CharTokenizer.of(
                IntStream.concat(CharTokenizer.distinct("\n \u00e9"), CharTokenizer.distinct("\ud83d\ude00 hello")));
        assertThat(merged).isEqualTo(tokenizer).hasSameHashCodeAs(tokenizer);
        assertThat(merged.vocabularyHash()).isEqualTo(tokenizer.vocabularyHash());
        assertThat(CharTokenizer.of("helo").vocabularyHash()).isNotEqualTo(tokenizer.vocabularyHash());
        assertThatThrownBy(() -> CharTokenizer.of("")).isInstanceOf(DataException.class);
    }

    @Test
    void readsTheVocabularyOfACorpus() {
        CharTokenizer shakespeare = CharTokenizer.of(
                new ShakespeareCorpus().documents().flatMapToInt(scene -> CharTokenizer.distinct(scene.text())));
        assertThat(shakespeare.decode(shakespeare.encode("ROMEO:\nO, speak!"))).isEqualTo("ROMEO:\nO, speak!");
    }
}
