package dev.kindling.allreduce;

/** The sum over all ranks, in rank order, of one array of each: what most tests ask of a transport. */
public final class RankSum {
    private RankSum() {}

    /** Replaces {@code data[offset .. offset+length)} by its sum over all ranks, and waits for it. */
    public static void of(AllReduce allReduce, float[] data, int offset, int length) {
        allReduce.submit(SumOrder.byRank(allReduce.worldSize()), new float[][] {data}, offset, length);
        allReduce.await();
    }
}
