package dev.kindling.job;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.data.token.BpeTokenizer;
import dev.kindling.data.token.CharTokenizer;
import dev.kindling.data.token.Tokenizer;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class EvaluateJobTest {
    private static final String TEXT =
            "But soft, what light through yonder window breaks? It is the east, and Juliet is the sun.";

    @Test
    void windowsAreSizedByWhatATokenOfTheModelsTokenizerHolds() {
        assertThat(EvaluateJob.bytesPerToken(TokenizerKind.CHAR))
                .isEqualTo(bytesPerToken(CharTokenizer.of(TEXT.codePoints())));
        assertThat(EvaluateJob.bytesPerToken(TokenizerKind.GPT2)).isEqualTo(bytesPerToken(new BpeTokenizer()));
    }

    private static long bytesPerToken(Tokenizer tokenizer) {
        double bytes = TEXT.getBytes(StandardCharsets.UTF_8).length;
        return Math.round(bytes / tokenizer.encode(TEXT).length);
    }
}
