package dev.kindling.data.shard;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;

/** The shards of a split as one sequence, of which the blocks that are asked for are read and checked. */
final class SplitTokens implements TokenSequence {
    /** Blocks that one call has on their way at once, which bounds what it holds. */
    private static final int AHEAD = 128;

    private final String split;
    private final List<Shard> shards;
    private final long[] starts;
    private final BlockCache cache;

    /**
     * @param split its name
     * @param shards none of them empty
     */
    SplitTokens(String split, List<Shard> shards, BlockCache cache) {
        this.split = split;
        this.shards = shards;
        this.cache = cache;
        this.starts = new long[shards.size() + 1];
        for (int i = 0; i < shards.size(); i++) {
            starts[i + 1] = starts[i] + shards.get(i).info().tokens();
        }
    }

    @Override
    public long length() {
        return starts[shards.size()];
    }

    @Override
    public String name() {
        return "the " + split + " split";
    }

    @Override
    public void copy(long offset, int length, int[] dst, int dstOffset) {
        copyAll(List.of(new Slice(offset, length, dstOffset)), dst);
    }

    @Override
    public void copyAll(List<Slice> slices, int[] dst) {
        for (Slice slice : slices) {
            Objects.checkFromIndexSize(slice.offset(), slice.length(), length());
            Objects.checkFromIndexSize(slice.dstOffset(), slice.length(), dst.length);
        }
        Deque<Part> onTheirWay = new ArrayDeque<>();
        for (Slice slice : slices) {
            for (Part part : parts(slice)) {
                if (onTheirWay.size() == AHEAD) {
                    onTheirWay.removeFirst().copyTo(dst);
                }
                onTheirWay.addLast(part.begin(cache));
            }
        }
        onTheirWay.forEach(part -> part.copyTo(dst));
    }

    /** What of a slice lies in which block. */
    private List<Part> parts(Slice slice) {
        List<Part> parts = new ArrayList<>(2);
        int found = Arrays.binarySearch(starts, slice.offset());
        int index = found >= 0 ? found : -found - 2;
        for (int done = 0; done < slice.length(); ) {
            long at = slice.offset() + done - starts[index];
            Shard shard = shards.get(index);
            int blockTokens = shard.layout().blockTokens();
            long block = at / blockTokens;
            int first = (int) (at % blockTokens);
            int inBlock = shard.layout().idBytes(block) / shard.layout().bytesPerToken();
            int count = Math.min(slice.length() - done, inBlock - first);
            parts.add(new Part(shard, block, first, count, slice.dstOffset() + done, null));
            done += count;
            if (at + count == shard.info().tokens()) {
                index++;
            }
        }
        return parts;
    }

    /** Tokens {@code [first, first + count)} of a block. */
    private record Part(Shard shard, long block, int first, int count, int dstOffset, CompletableFuture<byte[]> bytes) {
        Part begin(BlockCache cache) {
            return new Part(shard, block, first, count, dstOffset, cache.begin(shard, block));
        }

        void copyTo(int[] dst) {
            ByteBuffer ids = ByteBuffer.wrap(BlockCache.await(bytes)).order(ByteOrder.LITTLE_ENDIAN);
            boolean narrow = shard.layout().bytesPerToken() == Short.BYTES;
            for (int i = 0; i < count; i++) {
                int at = first + i;
                dst[dstOffset + i] =
                        narrow ? Short.toUnsignedInt(ids.getShort(at * Short.BYTES)) : ids.getInt(at * Integer.BYTES);
            }
        }
    }
}
