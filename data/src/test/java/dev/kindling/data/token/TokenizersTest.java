package dev.kindling.data.token;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class TokenizersTest {
    static Stream<Tokenizer> tokenizers() {
        return Stream.of(CharTokenizer.of("\n \"\\\u0001\u2028\ud83d\ude00abc".codePoints()), new BpeTokenizer());
    }

    @ParameterizedTest
    @MethodSource("tokenizers")
    void comeBackFromJson(Tokenizer tokenizer) {
        Tokenizer back = Tokenizers.fromJson(Tokenizers.toJson(tokenizer), "state.json");
        assertThat(back).isEqualTo(tokenizer);
        assertThat(back.vocabularyHash()).isEqualTo(tokenizer.vocabularyHash());
        assertThat(back.encode("abc")).isEqualTo(tokenizer.encode("abc"));
        assertThat(tokenizer.id().length()).isLessThanOrEqualTo(16);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"tokenizer\":\"char\"",
                "{}",
                "[]",
                "{\"tokenizer\":\"char\"}",
                "{\"tokenizer\":\"char\",\"characters\":[]}",
                "{\"tokenizer\":\"char\",\"characters\":[\"b\",\"a\"]}",
                "{\"tokenizer\":\"char\",\"characters\":[\"a\",\"a\"]}",
                "{\"tokenizer\":\"char\",\"characters\":[\"ab\"]}",
                "{\"tokenizer\":\"char\",\"characters\":[\"\"]}",
                "{\"tokenizer\":\"gpt2\",\"vocab_size\":50304}"
            })
    void refuseAnAlteredVocabulary(String json) {
        assertThatThrownBy(() -> Tokenizers.fromJson(json, "state.json"))
                .isInstanceOf(DataException.class)
                .hasMessageStartingWith("state.json")
                .hasMessageNotContaining("\n");
    }
}
