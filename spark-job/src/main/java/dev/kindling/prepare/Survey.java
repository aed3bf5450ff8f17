package dev.kindling.prepare;

import java.io.Serializable;
import java.util.Arrays;
import java.util.BitSet;
import java.util.stream.LongStream;

/**
 * The first stage: how much text each task has, and which characters. Tasks add up what tasks have found, so that the driver
 * does not get an alphabet from each.
 *
 * @param codePoints of each task's parts
 * @param characters that occur
 */
record Survey(long[] codePoints, BitSet characters) {

    /**
     * As numbers, which every serializer knows: the code points of each of so many tasks, then the characters' bits.
     *
     * @param vocabulary whether characters are wanted
     */
    record Counting(int tasks, boolean vocabulary) implements Serializable {
        /** What the sum over all tasks says. */
        Survey survey(long[] sum) {
            return new Survey(Arrays.copyOf(sum, tasks), BitSet.valueOf(Arrays.copyOfRange(sum, tasks, sum.length)));
        }

        long[] count(int task, CorpusParts parts) {
            long[] codePoints = new long[tasks];
            BitSet characters = new BitSet();
            parts.parts()
                    .forEach(part -> part.read((document, piece) -> {
                        codePoints[task] += piece.codePointCount(0, piece.length());
                        if (vocabulary) {
                            piece.codePoints().forEach(characters::set);
                        }
                    }));
            return LongStream.concat(Arrays.stream(codePoints), Arrays.stream(characters.toLongArray()))
                    .toArray();
        }

        long[] plus(long[] a, long[] b) {
            long[] sum = Arrays.copyOf(a, Math.max(a.length, b.length));
            for (int i = 0; i < b.length; i++) {
                sum[i] = i < tasks ? sum[i] + b[i] : sum[i] | b[i];
            }
            return sum;
        }
    }
}
