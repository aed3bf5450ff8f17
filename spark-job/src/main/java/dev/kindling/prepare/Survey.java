package dev.kindling.prepare;

import java.io.Serializable;
import java.util.Arrays;
import java.util.BitSet;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/** The first stage: for a task's parts their first number, how many, each one's length, then all characters. */
record Survey(Division division, boolean vocabulary) implements Serializable {
    long[] count(int task) {
        int first = division.start(task);
        int end = division.start(task + 1);
        long[] lengths = new long[end - first];
        BitSet characters = new BitSet();
        for (int index = first; index < end; index++) {
            int at = index - first;
            division.parts().get(index).read(new CorpusPart.Sink() {
                @Override
                public void text(String document, String piece) {
                    lengths[at] += piece.codePointCount(0, piece.length());
                    if (vocabulary) {
                        piece.codePoints().forEach(characters::set);
                    }
                }

                @Override
                public void endDocument() {}
            });
        }
        return Stream.of(
                        LongStream.of(first, lengths.length),
                        Arrays.stream(lengths),
                        characters.stream().asLongStream())
                .flatMapToLong(values -> values)
                .toArray();
    }
}
