package dev.kindling.prepare;

import java.io.Serializable;
import java.util.Arrays;
import java.util.BitSet;
import java.util.stream.LongStream;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;

/**
 * The first stage: how much text each task has, and which characters. Tasks add up what tasks have found, so that the driver
 * does not get an alphabet from each.
 *
 * @param codePoints of each task's parts
 * @param characters that occur
 */
record Survey(long[] codePoints, BitSet characters) {

    /** @param vocabulary whether characters are wanted */
    static Survey of(JavaRDD<CorpusParts> tasks, boolean vocabulary) {
        Counting counting = new Counting(tasks.getNumPartitions(), vocabulary);
        long[] sum = tasks.map(counting::count).treeReduce(counting::plus);
        return new Survey(
                Arrays.copyOf(sum, counting.tasks()),
                BitSet.valueOf(Arrays.copyOfRange(sum, counting.tasks(), sum.length)));
    }

    /** As numbers, which every serializer knows: the code points of each of so many tasks, then the characters' bits. */
    private record Counting(int tasks, boolean vocabulary) implements Serializable {
        long[] count(CorpusParts parts) {
            long[] codePoints = new long[tasks];
            int task = TaskContext.getPartitionId();
            BitSet characters = new BitSet();
            parts.parts()
                    .forEach(part -> part.read(new CorpusPart.Sink() {
                        @Override
                        public void text(String document, String piece) {
                            codePoints[task] += piece.codePointCount(0, piece.length());
                            if (vocabulary) {
                                piece.codePoints().forEach(characters::set);
                            }
                        }

                        @Override
                        public void endDocument() {}
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
