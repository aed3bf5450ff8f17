package dev.kindling.allreduce;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The order in which the operands of all ranks are added. Operands are pushed on a stack, rank by rank. After each one,
 * a given number of joins follows; a join replaces the two newest partial sums by older + newer. Immutable.
 *
 * <p>{@link #byRank} is ((x0 + x1) + x2) + ..., with one operand per rank. {@link #tree} is a binary tree over the
 * leaves 0 .. L-1, which cuts a range at its middle (rounded down) until one leaf is left. A rank holds consecutive
 * leaves and contributes the sums of the largest subtrees within them: one if the world size is a power of two that
 * divides L, otherwise a few. The tree does not depend on the world size, and so neither does any bit of the sum.
 *
 * <p>An order by rank can have a {@link Rounding}, the form in which its operands are sent.
 */
public final class SumOrder {
    /** More leaves than any step has micro-batches. */
    static final int MAX_LEAVES = 1 << 20;

    /** By their {@link #code}, negated. */
    private static final List<Rounding> ROUNDINGS = List.of(Rounding.NONE, Rounding.BF16, Rounding.SETTLED);

    private final int leaves;
    private final int[][] joins;
    private final Rounding rounding;

    private SumOrder(int leaves, int[][] joins, Rounding rounding) {
        this.leaves = leaves;
        this.joins = joins;
        this.rounding = rounding;
    }

    /** Rank 0 + rank 1 + ... */
    public static SumOrder byRank(int worldSize) {
        return byRank(worldSize, Rounding.NONE);
    }

    /** Rank 0 + rank 1 + ..., sent in the given form. */
    public static SumOrder byRank(int worldSize, Rounding rounding) {
        int[][] joins = new int[worldSize][];
        Arrays.setAll(joins, rank -> new int[] {Math.min(rank, 1)});
        return new SumOrder(0, joins, rounding);
    }

    /**
     * The tree over {@code leaves} leaves, of which each rank holds those that {@link #firstLeaf} gives it.
     *
     * @throws IllegalArgumentException if some rank would have no leaf
     */
    public static SumOrder tree(int leaves, int worldSize) {
        if (leaves < worldSize || leaves > MAX_LEAVES) {
            throw new IllegalArgumentException("a summation tree of " + leaves + " leaves over " + worldSize
                    + " ranks; it takes one leaf a rank and at most " + MAX_LEAVES);
        }
        List<List<int[]>> operands = new ArrayList<>();
        for (int rank = 0; rank < worldSize; rank++) {
            operands.add(new ArrayList<>());
        }
        collect(operands, leaves, worldSize, 0, leaves);
        int[][] joins = operands.stream()
                .map(ofRank -> ofRank.stream().mapToInt(join -> join[0]).toArray())
                .toArray(int[][]::new);
        return new SumOrder(leaves, joins, Rounding.NONE);
    }

    /**
     * Collects the operands of the subtree over leaves {@code from .. to-1}; returns the counter of joins after its
     * last operand.
     */
    private static int[] collect(List<List<int[]>> operands, int leaves, int worldSize, int from, int to) {
        int rank = 0;
        while (firstLeaf(leaves, rank + 1, worldSize) <= from) {
            rank++;
        }
        if (to <= firstLeaf(leaves, rank + 1, worldSize)) {
            int[] join = {0};
            operands.get(rank).add(join);
            return join;
        }
        int middle = (from + to) >>> 1;
        collect(operands, leaves, worldSize, from, middle);
        int[] last = collect(operands, leaves, worldSize, middle, to);
        last[0]++;
        return last;
    }

    /**
     * The first leaf of {@code rank}: every rank holds consecutive leaves, in rank order, as evenly divided as
     * possible.
     */
    public static int firstLeaf(int leaves, int rank, int worldSize) {
        return (int) ((long) leaves * rank / worldSize);
    }

    /**
     * For a rank that holds leaves {@code first .. end-1}: how many joins follow each of them, so that the operands of
     * the rank are what is left on the stack at the end.
     */
    public static int[] joinsWithin(int leaves, int first, int end) {
        int[] joins = new int[end - first];
        countWithin(joins, first, 0, leaves);
        return joins;
    }

    private static void countWithin(int[] joins, int first, int from, int to) {
        if (to - from == 1 || to <= first || from >= first + joins.length) {
            return;
        }
        if (from >= first && to <= first + joins.length) {
            joins[to - 1 - first]++;
        }
        int middle = (from + to) >>> 1;
        countWithin(joins, first, from, middle);
        countWithin(joins, first, middle, to);
    }

    Rounding rounding() {
        return rounding;
    }

    /** The order as one number, for the wire: the number of leaves of a tree, or 0 or less for {@link #byRank}. */
    int code() {
        return leaves == 0 ? -ROUNDINGS.indexOf(rounding) : leaves;
    }

    /** Whether {@code code} is the {@link #code} of an order for this world size. */
    static boolean isCode(int code, int worldSize) {
        return code <= 0 ? code > -ROUNDINGS.size() : code >= worldSize && code <= MAX_LEAVES;
    }

    /** The inverse of {@link #code()}. */
    static SumOrder of(int code, int worldSize) {
        return code <= 0 ? byRank(worldSize, ROUNDINGS.get(-code)) : tree(code, worldSize);
    }

    /** How many operands a rank contributes: 1 or more. */
    public int operands(int rank) {
        return joins[rank].length;
    }

    /** The most operands that any rank contributes. */
    public int mostOperands() {
        return Arrays.stream(joins).mapToInt(ofRank -> ofRank.length).max().orElseThrow();
    }

    /** How many joins follow an operand. */
    int joins(int rank, int operand) {
        return joins[rank][operand];
    }
}
