package dev.kindling.allreduce;

/** A long range in pieces of a bounded length, up to the longest that an array can have. */
final class Pieces {
    private Pieces() {}

    /** Takes the piece {@code at .. at + count - 1}. */
    interface Action {
        void take(int at, int count);
    }

    /** Gives {@code 0 .. length - 1} to {@code action} in order, in pieces of {@code most} and a last one of what is left. */
    static void forEach(int length, int most, Action action) {
        int count;
        for (int at = 0; at < length; at += count) { // at + most may be more than an int holds
            count = Math.min(most, length - at);
            action.take(at, count);
        }
    }
}
