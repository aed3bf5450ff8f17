package dev.kindling.train;

import dev.kindling.config.DataSection;

/** How much padding packing saves: counts the sequences that share the rows of a global batch. */
final class PaddingCount {
    private final boolean packed;
    private final long stepRows;
    private final int blockSize;
    private long rows;
    private long sequences;

    PaddingCount(DataSection.Packing packing, int globalBatch, int blockSize) {
        packed = packing == DataSection.Packing.DOCUMENTS;
        stepRows = (long) globalBatch * blockSize;
        this.blockSize = blockSize;
    }

    /** @param stepSequences of a step over all ranks */
    void add(long stepSequences) {
        rows += stepRows;
        sequences += stepSequences;
    }

    /** 1 - rows / (sequences block_size); null for windows, which have no padding to save. */
    Double saved() {
        return packed && sequences > 0 ? 1 - rows / ((double) sequences * blockSize) : null;
    }
}
