package dev.kindling.data.token;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import dev.kindling.data.corpus.ShakespeareCorpus;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class CharTokenizerTest {
    private final CharTokenizer tokenizer = CharTokenizer.of("hello \ud83d\ude00 \u00e9\n".codePoints());

    @Test
    void numbersDistinctCharactersInAscendingOrder() {
        assertThat(tokenizer.vocabSize()).isEqualTo(8);
        assertThat(tokenizer.decode(new int[] {0, 1, 2, 3, 4, 5, 6, 7})).isEqualTo("\n ehlo\u00e9\ud83d\ude00");
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
        CharTokenizer merged =
                CharTokenizer.of(IntStream.concat("\n \u00e9".codePoints(), "\ud83d\ude00 hello".codePoints()));
        assertThat(merged).isEqualTo(tokenizer).hasSameHashCodeAs(tokenizer);
        assertThat(merged.vocabularyHash()).isEqualTo(tokenizer.vocabularyHash());
        assertThat(CharTokenizer.of("helo".codePoints()).vocabularyHash()).isNotEqualTo(tokenizer.vocabularyHash());
        assertThatThrownBy(() -> CharTokenizer.of("".codePoints())).isInstanceOf(DataException.class);
    }

    @Test
    void readsTheVocabularyOfACorpus() {
        CharTokenizer shakespeare = CharTokenizer.of(new ShakespeareCorpus()
                .documents()
                .flatMapToInt(scene -> scene.text().codePoints()));
        assertThat(shakespeare.decode(shakespeare.encode("ROMEO:\nO, speak!"))).isEqualTo("ROMEO:\nO, speak!");
    }
}
