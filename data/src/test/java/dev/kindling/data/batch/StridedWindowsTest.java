package dev.kindling.data.batch;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StridedWindowsTest {
    private record Window(int[] tokens, int scored) {}

    @ParameterizedTest
    @CsvSource({
        "1,8,8,0",
        "2,8,8,0",
        "9,8,8,0",
        "10,8,3,0",
        "100,8,8,0",
        "101,8,3,0",
        "64,8,1,0",
        "50,8,3,8",
        "1,8,3,8",
        "30,8,8,5"
    })
    void everyTokenIsScoredOnceWithTheContextThatTheStridePromises(int length, int block, int stride, int context) {
        List<Window> windows = new ArrayList<>();
        StridedWindows strided =
                new StridedWindows(block, stride, (tokens, scored) -> windows.add(new Window(tokens, scored)));
        strided.begin(IntStream.range(0, context).toArray());
        int[] document = IntStream.range(context, context + length).toArray();
        for (int at = 0; at < length; at += 7) { // in pieces
            strided.score(Arrays.copyOfRange(document, at, Math.min(length, at + 7)));
        }
        strided.finish();

        List<Integer> scored = new ArrayList<>();
        for (Window window : windows) {
            int[] tokens = window.tokens();
            assertThat(tokens.length).isBetween(2, block + 1);
            int first = tokens.length - window.scored();
            for (int i = first; i < tokens.length; i++) {
                scored.add(tokens[i]);
                int before = Math.min(tokens[i], block - stride + 1);
                assertThat(i).as("tokens before %d", tokens[i]).isGreaterThanOrEqualTo(before);
                assertThat(tokens[i - 1]).isEqualTo(tokens[i] - 1);
            }
        }
        assertThat(scored)
                .isEqualTo(IntStream.range(Math.max(context, 1), context + length)
                        .boxed()
                        .toList());
    }
}
