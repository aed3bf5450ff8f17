package dev.kindling.allreduce.link;

/** Asked about every 50 ms while a collective operation waits. */
@FunctionalInterface
public interface Liveness {
    /** Returns if the wait should go on; throws if this rank was told to stop. */
    void check();
}
