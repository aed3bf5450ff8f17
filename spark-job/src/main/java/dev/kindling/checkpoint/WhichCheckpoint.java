package dev.kindling.checkpoint;

/** Which checkpoint of a run to take. */
public enum WhichCheckpoint {
    /** The one with the lowest validation loss. */
    BEST,
    /** The newest one. */
    LATEST
}
