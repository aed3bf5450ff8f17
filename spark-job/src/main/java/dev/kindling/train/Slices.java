package dev.kindling.train;

import dev.kindling.nn.Parameters;
import dev.kindling.nn.Parameters.Range;
import java.util.List;

/**
 * {@code train.zero: 1}: which rank owns which slice of the flat buffers. A rank keeps AdamW's moments of its own slice
 * alone (ZeRO stage 1: Rajbhandari et al., arXiv:1910.02054).
 *
 * @param all by rank, see {@link Parameters#slices}
 */
record Slices(List<Range> all, int rank) {
    static Slices of(Parameters parameters, int rank, int worldSize) {
        return new Slices(parameters.slices(worldSize), rank);
    }

    Range own() {
        return all.get(rank);
    }

    /** Where each slice starts, and the end. */
    int[] bounds() {
        int[] bounds = new int[all.size() + 1];
        for (int r = 0; r < all.size(); r++) {
            bounds[r + 1] = Math.toIntExact(all.get(r).end());
        }
        return bounds;
    }
}
