package dev.kindling.coordinate;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.Operands;
import dev.kindling.allreduce.Rounding;
import dev.kindling.allreduce.SumOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;

/** Bodies of ranks that try every collective against a plain loop, on awkward lengths. */
final class Collectives {
    private static final int[] LENGTHS = {1, 2, 13, 207, 4098, 70_001, 1_700_003};

    private Collectives() {}

    /** Of both signs and of 32 binary exponents, so that every order of a sum has other bits; by SplitMix64. */
    static float[] values(int rank, int length) {
        long state = 31L * rank + length;
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            state += 0x9e3779b97f4a7c15L;
            long bits = (state ^ (state >>> 30)) * 0xbf58476d1ce4e5b9L;
            bits = (bits ^ (bits >>> 27)) * 0x94d049bb133111ebL;
            int exponent = 111 + (int) (bits >>> 59);
            values[i] = Float.intBitsToFloat(((int) bits & 0x807fffff) | (exponent << 23));
        }
        return values;
    }

    static float[] expected(int ranks, int length) {
        float[] sum = values(0, length);
        for (int r = 1; r < ranks; r++) {
            float[] part = values(r, length);
            for (int i = 0; i < length; i++) {
                sum[i] += part[i];
            }
        }
        return sum;
    }

    /** Fails the generation on the first bit that differs from the plain loop over ranks. */
    static byte[] sumsAreExact(RankSession member, AllReduce allReduce) {
        for (int length : LENGTHS) {
            float[] data = new float[length + 7];
            Arrays.fill(data, -5f);
            System.arraycopy(values(member.rank(), length), 0, data, 3, length);
            int half = length / 2;
            SumOrder byRank = SumOrder.byRank(allReduce.worldSize());
            allReduce.submit(byRank, new float[][] {data}, 3 + half, length - half);
            allReduce.submit(byRank, new float[][] {data}, 3, half);
            allReduce.await();
            float[] expected = expected(member.generation().worldSize(), length);
            for (int i = 0; i < length; i++) {
                if (Float.floatToRawIntBits(data[3 + i]) != Float.floatToRawIntBits(expected[i])) {
                    throw new AssertionError(
                            "length " + length + " at " + i + ": " + data[3 + i] + " is not " + expected[i]);
                }
            }
            if (data[2] != -5f || data[length + 3] != -5f) {
                throw new AssertionError("written outside the range at length " + length);
            }
            member.stepReached(length);
        }
        treesAreExact(allReduce);
        member.stepReached(1_800_000);
        slicesAreExact(allReduce);
        member.stepReached(2_000_000);
        roundedSumsAreExact(allReduce);
        double[][] gathered = allReduce.allGather(new double[] {member.rank() + 0.1, 1e-300});
        if (allReduce.broadcast(new byte[] {(byte) (7 + member.rank())})[0] != 7) {
            throw new AssertionError("broadcast is not rank 0's");
        }
        allReduce.barrier();
        double sum = 0;
        for (double[] each : gathered) {
            sum += each[0];
        }
        return (allReduce.name() + " " + sum).getBytes(StandardCharsets.UTF_8);
    }

    /** Leaf i, or the sum of leaves by halving. */
    private static float[] tree(int from, int to, int length) {
        if (to - from == 1) {
            return values(from, length);
        }
        float[] sum = tree(from, (from + to) / 2, length);
        float[] right = tree((from + to) / 2, to, length);
        for (int i = 0; i < length; i++) {
            sum[i] += right[i];
        }
        return sum;
    }

    /** Eight leaves: three ranks hold 2, 3 and 3 of them, which are 1, 2 and 2 subtrees. */
    private static void treesAreExact(AllReduce allReduce) {
        int worldSize = allReduce.worldSize();
        int length = 800_001;
        // The subtrees of each world size's ranks, as their first and last leaves.
        int[][][][] subtrees = {{{{0, 8}}}, {{{0, 4}}, {{4, 8}}}, {{{0, 2}}, {{2, 4}, {4, 5}}, {{5, 6}, {6, 8}}}};
        float[][] mine = Arrays.stream(subtrees[worldSize - 1][allReduce.rank()])
                .map(subtree -> tree(subtree[0], subtree[1], length))
                .toArray(float[][]::new);
        allReduce.submit(SumOrder.tree(8, worldSize), mine, 1, length - 1);
        allReduce.await();
        float[] expected = tree(0, 8, length);
        float[] sum = mine[mine.length - 1];
        for (int i = 1; i < length; i++) {
            if (Float.floatToRawIntBits(sum[i]) != Float.floatToRawIntBits(expected[i])) {
                throw new AssertionError("tree at " + i + ": " + sum[i] + " is not " + expected[i]);
            }
        }
    }

    /** Uneven slices, the second of three empty: each owner gets its sums, then all get all, then rank 0 alone. */
    private static void slicesAreExact(AllReduce allReduce) {
        int length = 1_700_003;
        int[][] boundsByRanks = {{0, length}, {0, 4096, length}, {0, 700_001, 700_001, length}};
        int[] bounds = boundsByRanks[allReduce.worldSize() - 1];
        float[] data = values(allReduce.rank(), length);
        SumOrder order = SumOrder.byRank(allReduce.worldSize());
        allReduce.submitScatter(order, new Operands(new float[][] {data}, 0), 0, 600_000, bounds);
        allReduce.submitScatter(order, new Operands(new float[][] {data}, 0), 600_000, length - 600_000, bounds);
        allReduce.await();
        float[] own = Arrays.copyOfRange(data, bounds[allReduce.rank()], bounds[allReduce.rank() + 1]);
        float[] expected = expected(allReduce.worldSize(), length);
        float[] gathered = new float[length];
        System.arraycopy(own, 0, gathered, bounds[allReduce.rank()], own.length);
        allReduce.allGather(gathered, bounds);
        float[] onRoot = new float[allReduce.rank() == 0 ? length : 0];
        allReduce.gather(own, onRoot, bounds);
        if (!Arrays.equals(gathered, expected) || (allReduce.rank() == 0 && !Arrays.equals(onRoot, expected))) {
            throw new AssertionError("slices are not the sums");
        }
    }

    private static float bf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        return Float.intBitsToFloat((bits + 0x7fff + (bits >>> 16 & 1)) & 0xffff0000);
    }

    /**
     * Three rounded sums, then a settled one, in pieces: each is the plain loop's, with what the sums before have lost, so
     * that all four together are the sum of all that was given.
     */
    private static void roundedSumsAreExact(AllReduce allReduce) {
        int worldSize = allReduce.worldSize();
        int length = 600_001;
        float[] lost = new float[length];
        double[] given = new double[length];
        double[] got = new double[length];
        for (int step = 0; step < 4 && worldSize > 1; step++) {
            Rounding rounding = step < 3 ? Rounding.BF16 : Rounding.SETTLED;
            float[] expected = new float[length];
            float[] mine = new float[length];
            for (int r = 0; r < worldSize; r++) {
                Random random = new Random(10L * step + r);
                float[] operand = new float[length];
                for (int i = 0; i < length; i++) {
                    operand[i] = bf16(random.nextInt() * 0x1p-31f);
                    expected[i] = r == 0 ? operand[i] : expected[i] + operand[i];
                    given[i] += operand[i];
                }
                mine = r == allReduce.rank() ? operand : mine;
            }
            SumOrder order = SumOrder.byRank(worldSize, rounding);
            allReduce.submit(order, new float[][] {mine}, 400_000, length - 400_000);
            allReduce.submit(order, new float[][] {mine}, 0, 400_000);
            allReduce.await();
            for (int i = 0; i < length; i++) {
                float sum = expected[i] + lost[i];
                float rounded = rounding == Rounding.BF16 ? bf16(sum) : sum;
                lost[i] = sum - rounded;
                got[i] += mine[i];
                if (Float.floatToRawIntBits(mine[i]) != Float.floatToRawIntBits(rounded)) {
                    throw new AssertionError(rounding + " at " + i + ": " + mine[i] + " is not " + rounded);
                }
            }
        }
        for (int i = 0; i < length; i++) {
            if (Math.abs(got[i] - given[i]) > 1e-5) {
                throw new AssertionError("at " + i + " came " + got[i] + " of " + given[i]);
            }
        }
    }
}
