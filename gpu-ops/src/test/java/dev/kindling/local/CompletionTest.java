package dev.kindling.local;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.data.token.BpeTokenizer;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class CompletionTest {
    private final List<String> pieces = new ArrayList<>();

    private Completion complete(Tokenizer tokenizer, int[] tokens, String... stops) {
        Completion completion = new Completion(tokenizer, List.of(stops), pieces::add);
        for (int token : tokens) {
            if (!completion.accept(token)) {
                break;
            }
        }
        completion.end();
        assertThat(String.join("", pieces)).isEqualTo(completion.text());
        return completion;
    }

    @Test
    void endsBeforeTheFirstStopStringAndPassesNothingOfItOn() {
        Tokenizer tokenizer = CharTokenizer.of("one\n\ntwo.".codePoints());
        Completion stopped = complete(tokenizer, tokenizer.encode("one\ntwo\n\none."), "e.", "\n\n");
        assertThat(stopped.text()).isEqualTo("one\ntwo");
        assertThat(stopped.finish()).hasToString("stop");
        assertThat(stopped.tokens()).isEqualTo(9);
    }

    @Test
    void whatLooksLikeAStopStringAndIsNoneIsPassedOnInTheEnd() {
        Tokenizer tokenizer = CharTokenizer.of("one\n".codePoints());
        Completion whole = complete(tokenizer, tokenizer.encode("one\n"), "\n\n");
        assertThat(whole.text()).isEqualTo("one\n");
        assertThat(whole.finish()).hasToString("length");
        assertThat(pieces.subList(0, 3)).containsExactly("o", "n", "e");
    }

    @Test
    void charactersOfSeveralTokensComeWhole() {
        Tokenizer tokenizer = new BpeTokenizer();
        String text = "na\u00efve \ud83d\ude00\u4e2d!";
        assertThat(complete(tokenizer, tokenizer.encode(text)).text()).isEqualTo(text);
        assertThat(pieces).noneMatch(piece -> piece.contains("\uFFFD"));
    }

    @Test
    void theEndOfTextEndsIt() {
        Completion ended = complete(new BpeTokenizer(), new int[] {464, BpeTokenizer.END_OF_TEXT, 464});
        assertThat(ended.text()).isEqualTo("The");
        assertThat(ended.finish()).hasToString("end_of_text");
    }
}
