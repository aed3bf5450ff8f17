package dev.kindling.data.token;

import java.util.List;
import java.util.PriorityQueue;

/**
 * Byte pair encoding of one word: of all neighbours that may be merged, those of the lowest rank are, the leftmost first,
 * until none are left. Takes O(n log n) for n bytes.
 */
final class WordMerger {
    static final long NONE = -1;

    /** What two neighbours become. */
    interface Merges {
        /** The {@link #merge} of two ids, or NONE. */
        long of(int left, int right);
    }

    private final int[] ids;
    private final int[] next;
    private final int[] previous;
    private final Merges merges;
    private final PriorityQueue<Candidate> candidates = new PriorityQueue<>();

    /** A merge of the id at a place and the one after it. */
    private record Candidate(long merge, int at) implements Comparable<Candidate> {
        @Override
        public int compareTo(Candidate other) {
            int byRank = Long.compare(merge, other.merge);
            return byRank != 0 ? byRank : Integer.compare(at, other.at);
        }
    }

    WordMerger(int[] ids, Merges merges) {
        this.ids = ids;
        this.merges = merges;
        next = new int[ids.length];
        previous = new int[ids.length];
        for (int i = 0; i < ids.length; i++) {
            next[i] = i + 1;
            previous[i] = i - 1;
        }
    }

    /** A merge as one number, ordered by rank. */
    static long merge(int rank, int merged) {
        return ((long) rank << Integer.SIZE) | merged;
    }

    /** Appends the word's ids to {@code out}. */
    void merge(List<Integer> out) {
        for (int i = 0; i < ids.length; i++) {
            propose(i);
        }
        while (!candidates.isEmpty()) {
            Candidate best = candidates.poll();
            if (mergeAt(best.at) == best.merge) { // else a neighbour has been merged since
                apply(best);
            }
        }
        for (int i = 0; i < ids.length; i = next[i]) {
            out.add(ids[i]);
        }
    }

    private void apply(Candidate best) {
        int gone = next[best.at];
        ids[best.at] = (int) best.merge;
        ids[gone] = -1;
        next[best.at] = next[gone];
        if (next[gone] < ids.length) {
            previous[next[gone]] = best.at;
        }
        propose(best.at);
        if (previous[best.at] >= 0) {
            propose(previous[best.at]);
        }
    }

    private void propose(int at) {
        long merge = mergeAt(at);
        if (merge != NONE) {
            candidates.add(new Candidate(merge, at));
        }
    }

    private long mergeAt(int at) {
        return ids[at] < 0 || next[at] >= ids.length ? NONE : merges.of(ids[at], ids[next[at]]);
    }
}
