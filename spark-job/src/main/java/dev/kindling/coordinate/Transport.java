package dev.kindling.coordinate;

/** How gradients travel between the ranks. */
public enum Transport {
    /** Star through the driver. */
    DRIVER,
    /** Executor to executor. */
    RING
}
