package dev.kindling.data.shard;

import java.util.stream.LongStream;

/** Indexes of documents by the lengths of these. */
public final class DocumentLengths {
    private DocumentLengths() {}

    public static DocumentIndex index(long... lengths) {
        DocumentIndex.Builder builder = new DocumentIndex.Builder();
        LongStream.of(lengths).forEach(builder::add);
        return builder.build();
    }

    static long[] of(DocumentIndex index) {
        LongStream.Builder lengths = LongStream.builder();
        index.forEach((start, end) -> lengths.add(end - start));
        return lengths.build().toArray();
    }
}
