package dev.kindling.data.shard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DocumentIndexTest {
    /** Around groups of 256 documents, and so many that the arrays of the builder grow. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 255, 256, 257, 512, 10_000})
    void everyTokenIsInItsDocument(int count) {
        Random random = new Random(3);
        long[] lengths = LongStream.range(0, count)
                .map(i -> 1 + (random.nextLong() >>> (24 + random.nextInt(40))))
                .toArray();
        DocumentIndex index = DocumentLengths.index(lengths);
        List<DocumentIndex.Span> spans = new ArrayList<>();
        long start = 0;
        for (long length : lengths) {
            DocumentIndex.Span span = new DocumentIndex.Span(start, start + length);
            spans.add(span);
            assertThat(index.at(start)).isEqualTo(span);
            assertThat(index.at(start + length - 1)).isEqualTo(span);
            start += length;
        }
        List<DocumentIndex.Span> visited = new ArrayList<>();
        index.forEach((from, to) -> visited.add(new DocumentIndex.Span(from, to)));
        assertThat(visited).isEqualTo(spans);
        assertThat(index.count()).isEqualTo(count);
        assertThat(index.tokens()).isEqualTo(start);
        assertThatThrownBy(() -> index.at(index.tokens())).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void aDocumentHasATokenOrMore() {
        assertThatThrownBy(() -> DocumentLengths.index(3, 0, 2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("a document of 0 tokens");
    }
}
