package dev.kindling.allreduce.link;

/** One time limit for all the waits of an operation. */
public final class Deadline {
    private final long millis;
    private final long end;

    public Deadline(long millis) {
        this.millis = millis;
        this.end = System.nanoTime() + millis * 1_000_000L;
    }

    public boolean passed() {
        return System.nanoTime() - end > 0;
    }

    /** Milliseconds that are left; negative afterwards. */
    long left() {
        return (end - System.nanoTime()) / 1_000_000L;
    }

    public long millis() {
        return millis;
    }
}
