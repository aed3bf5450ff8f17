package dev.kindling.device.cuda;

import dev.kindling.device.AttentionInputs;
import dev.kindling.device.AttentionShape;
import dev.kindling.device.cuda.CudaKernel.Grid;

/**
 * The scratch memory and the blocks of one of FLASH's backward passes: row statistics, and partial sums of the query gradient.
 * A function of the GPU and the shape alone, and so are the results.
 *
 * @param statsRows rows of all sequences of a head, each sequence padded to whole tiles
 * @param splits partial sums of a head's query gradient; 0: the kernel sums none in memory
 * @param persistent do the blocks take the tiles of all heads until none is left, and write the query gradient themselves?
 * @param blocks thread blocks of a head; of all heads if persistent
 * @param countBytes of the counts behind one partial sum, if the blocks add to it in turns
 */
record FlashBackwardScratch(
        AttentionShape shape, long statsRows, int splits, boolean persistent, int blocks, long countBytes) {
    /** Rows of a tile of the row statistics. */
    static final int ROWS = 128;

    /** For a forward pass, which has none. */
    static FlashBackwardScratch none(AttentionInputs inputs) {
        return new FlashBackwardScratch(inputs.shape(), statsRows(inputs), 0, false, 0, 0);
    }

    /** For the kernel that sums no gradient in memory: each block has a tile of keys or a tile of rows. */
    static FlashBackwardScratch withoutSums(AttentionInputs inputs, CudaModule module) {
        AttentionShape shape = inputs.shape();
        int keys = module.number("flash_attention_backward_keys");
        int blocks = tiles(shape.keyLength(), keys) + tiles(shape.queryLength(), keys);
        return new FlashBackwardScratch(shape, statsRows(inputs), 0, false, blocks, 0);
    }

    /** For the kernels that sum the query gradient in memory, in turns or in splits. */
    static FlashBackwardScratch of(AttentionInputs inputs, CudaModule module, int multiprocessors) {
        AttentionShape shape = inputs.shape();
        long rows = statsRows(inputs);
        int tiles = Math.max(1, tiles(shape.keyLength(), module.number("flash_attention_backward_keys")));
        if (module.number("flash_attention_backward_turns") == 1) {
            long counts = shape.heads() * (rows / module.number("flash_attention_backward_rows") + shape.batch());
            boolean persistent = module.number("flash_attention_backward_persistent") == 1;
            long all = (long) tiles * shape.heads() * shape.batch();
            int blocks = persistent ? (int) Math.min(all, multiprocessors) : tiles;
            return new FlashBackwardScratch(shape, rows, 1, persistent, blocks, 4 * counts);
        }
        int columnBlocks = shape.headDim() > 128 ? 2 : 1;
        int splits = splits(shape.batch() * shape.heads() * columnBlocks, tiles, multiprocessors);
        return new FlashBackwardScratch(shape, rows, splits, false, splits * columnBlocks, 0);
    }

    Grid grid(CudaModule module) {
        int threads = module.number("flash_attention_backward_threads");
        int shared = module.number("flash_attention_backward_shared");
        return persistent
                ? new Grid(blocks, 1, 1, threads, 1, shared)
                : new Grid(blocks, shape.heads(), shape.batch(), threads, 1, shared);
    }

    /** Are the partial sums added up by a kernel of their own? */
    boolean sums() {
        return !persistent && (splits > 1 || countBytes > 0);
    }

    /** Where the partial sums begin, in bytes. */
    long partialAt() {
        return CudaMemory.aligned(8L * shape.heads() * statsRows);
    }

    long bytes() {
        // A tile's columns in shared memory: the head dimension, padded to a power of two.
        int depth = Integer.highestOneBit(2 * shape.headDim() - 1);
        return partialAt() + CudaMemory.aligned(4L * splits * shape.heads() * statsRows * depth + countBytes);
    }

    static long statsRows(AttentionInputs inputs) {
        AttentionShape shape = inputs.shape();
        if (inputs.sequences() == null) {
            return (long) shape.batch() * tiles(shape.queryLength(), ROWS) * ROWS;
        }
        long total = inputs.query().size(2) + (long) ROWS * (shape.batch() + 1);
        return (total + ROWS - 1) / ROWS * ROWS;
    }

    static int tiles(int length, int tile) {
        return (length + tile - 1) / tile;
    }

    /**
     * The number of splits that finishes first, out of at most as many as give every multiprocessor a block: heads x splits
     * blocks run in rounds of one block a multiprocessor, and a round takes 1 / splits of the time.
     */
    private static int splits(int heads, int tiles, int multiprocessors) {
        int best = 1;
        for (int splits = 2; splits <= Math.min(tiles, (multiprocessors + heads - 1) / heads); splits++) {
            long rounds = ((long) heads * splits + multiprocessors - 1) / multiprocessors;
            long bestRounds = ((long) heads * best + multiprocessors - 1) / multiprocessors;
            if (rounds * best < bestRounds * splits) {
                best = splits;
            }
        }
        return best;
    }
}
