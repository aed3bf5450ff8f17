package dev.kindling.data.shard;

import java.util.Arrays;
import java.util.Objects;
import java.util.function.IntFunction;

/** The shards of a split as one sequence. A shard is read, and checked, when a token of it is first asked for. */
final class SplitTokens implements TokenSequence {
    private final String split;
    private final long[] starts;
    private final IntFunction<Shard> reader;
    private final Shard[] shards;

    /**
     * @param split its name
     * @param lengths tokens in each shard, none of them 0
     * @param reader reads shard number i with every check
     */
    SplitTokens(String split, long[] lengths, IntFunction<Shard> reader) {
        this.split = split;
        this.reader = reader;
        this.shards = new Shard[lengths.length];
        this.starts = new long[lengths.length + 1];
        for (int i = 0; i < lengths.length; i++) {
            starts[i + 1] = starts[i] + lengths[i];
        }
    }

    @Override
    public long length() {
        return starts[shards.length];
    }

    @Override
    public String name() {
        return "the " + split + " split";
    }

    @Override
    public void copy(long offset, int length, int[] dst, int dstOffset) {
        Objects.checkFromIndexSize(offset, length, length());
        Objects.checkFromIndexSize(dstOffset, length, dst.length);
        int found = Arrays.binarySearch(starts, offset);
        int index = found >= 0 ? found : -found - 2;
        for (int done = 0; done < length; index++) {
            long at = offset + done - starts[index];
            int here = (int) Math.min(length - done, starts[index + 1] - starts[index] - at);
            shard(index).copy(at, here, dst, dstOffset + done);
            done += here;
        }
    }

    int shards() {
        return shards.length;
    }

    /** Reads a shard with every check, and keeps nothing of it. */
    void check(int index) {
        Objects.requireNonNull(reader.apply(index));
    }

    private synchronized Shard shard(int index) {
        if (shards[index] == null) {
            shards[index] = reader.apply(index);
        }
        return shards[index];
    }
}
