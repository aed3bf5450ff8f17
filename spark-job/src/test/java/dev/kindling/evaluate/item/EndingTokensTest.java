package dev.kindling.evaluate.item;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import dev.kindling.data.token.BpeTokenizer;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.Tokenizer;
import java.util.List;
import org.junit.jupiter.api.Test;

class EndingTokensTest {
    private static final Tokenizer GPT2 = new BpeTokenizer();
    private static final Tokenizer CHARS = CharTokenizer.of("abc ".codePoints());

    private static EndingTokens of(String context, String continuation, Tokenizer tokenizer, int block) {
        Item item = new Item("i", context, List.of(new Item.Ending(continuation, continuation)), 0, null);
        return EndingTokens.of(item, tokenizer, block).get(0);
    }

    @Test
    void whiteSpaceAtTheEndOfTheContextIsTheEndings() {
        EndingTokens split = of("Hello ", "world", GPT2, 8);
        assertThat(split.tokens()).containsExactly(15496, 995); // "Hello", " world": GPT-2's own
        assertThat(split.scored()).isEqualTo(1);
        assertThat(of("Hello", " world", GPT2, 8).tokens()).containsExactly(15496, 995);
        assertThat(of("Hello\u00a0\n", "world", GPT2, 8).tokens()[0]).isEqualTo(15496);
    }

    @Test
    void theWholeTextIsTokenisedAndAsManyTokensAsTheContextHasAreItsOwn() {
        assertThat(GPT2.encode("Hello wor")).containsExactly(15496, 476);
        assertThat(GPT2.encode("Hello worlds")).containsExactly(15496, 11621); // one token crosses the boundary
        assertThatThrownBy(() -> of("Hello wor", "lds", GPT2, 8))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("has no token of its own after its context");
        EndingTokens split = of("Hello wor", "ld now", GPT2, 8);
        assertThat(split.tokens()).containsExactly(15496, 476, 783); // as the harness: its context, then " now"
        assertThat(split.scored()).isEqualTo(1);
    }

    @Test
    void anEmptyContextBeginsWithTheEndOfText() {
        assertThat(of("", " world", GPT2, 8).tokens()).containsExactly(50256, 995);
        assertThat(of(" ", "world", GPT2, 8).tokens()).containsExactly(50256, 995);
        assertThatThrownBy(() -> of("", "a", CHARS, 8))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("item i: its context is empty, and the model's tokenizer char has no end of text")
                .hasMessageContaining("--on-error skip");
    }

    @Test
    void contextIsCutOnTheLeftToBlockSizeInputs() {
        int[] ids = CHARS.encode("abc ");
        EndingTokens whole = of("ab", "cc", CHARS, 3);
        assertThat(whole.truncated()).isFalse();
        assertThat(whole.tokens()).containsExactly(ids[0], ids[1], ids[2], ids[2]);
        EndingTokens cut = of("cab", "cc", CHARS, 3);
        assertThat(cut.truncated()).isTrue();
        assertThat(cut.tokens()).containsExactly(ids[0], ids[1], ids[2], ids[2]);
        assertThat(cut.scored()).isEqualTo(2);
        assertThat(of("cab", "ccc", CHARS, 3).tokens()).containsExactly(ids[1], ids[2], ids[2], ids[2]);
        assertThatThrownBy(() -> of("cab", "cccc", CHARS, 3))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("item i: an ending has 4 tokens, more than the model's block_size 3");
    }

    @Test
    void aTextThatTheVocabularyCannotExpressIsNamed() {
        assertThatThrownBy(() -> of("ab", "d", CHARS, 3))
                .isInstanceOf(DataException.class)
                .hasMessageStartingWith("item i: character 'd'");
    }
}
