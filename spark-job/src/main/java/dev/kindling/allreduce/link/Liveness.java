package dev.kindling.allreduce.link;

/** Asked about every 50 ms while a collective waits. */
@FunctionalInterface
public interface Liveness {
    /** Returns quietly while the wait should go on; throws when this rank was told to stop. */
    void check();
}
