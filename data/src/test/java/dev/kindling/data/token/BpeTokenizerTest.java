package dev.kindling.data.token;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BpeTokenizerTest {
    private static final BpeTokenizer TOKENIZER = new BpeTokenizer();

    @Test
    void givesGpt2sIds() {
        // As published for GPT-2, for example in the tests of the reference implementations.
        assertThat(TOKENIZER.encode("Hello world")).containsExactly(15496, 995);
        assertThat(TOKENIZER.encode("\n")).containsExactly(198);
        assertThat(TOKENIZER.encode("\n\n")).containsExactly(628);
        assertThat(TOKENIZER.vocabSize()).isEqualTo(50257);
        assertThat(TOKENIZER.endOfText()).hasValue(50256);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "First Citizen:\nBefore we proceed",
                "na\u00efve \ud83d\ude00 \u4e2d\u6587\t\t  x",
                "\r\n\n  \n"
            })
    void decodesWhatItEncoded(String text) {
        assertThat(TOKENIZER.decode(TOKENIZER.encode(text))).isEqualTo(text);
    }

    @Test
    void takesSpecialTokensInTextAsText() {
        int[] ids = TOKENIZER.encode("a<|endoftext|>b");
        assertThat(ids).doesNotContain(BpeTokenizer.END_OF_TEXT);
        assertThat(TOKENIZER.decode(ids)).isEqualTo("a<|endoftext|>b");
        assertThat(TOKENIZER.decode(new int[] {64, BpeTokenizer.END_OF_TEXT})).isEqualTo("a<|endoftext|>");
    }

    @Test
    void refusesAnIdOutsideTheVocabulary() {
        assertThatThrownBy(() -> TOKENIZER.decode(new int[] {50257}))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("id 50,257 at position 0");
    }
}
