package dev.kindling.run;

/** What a training does with a run that is in its directory already. */
public enum Resume {
    /** Refuses to touch it, unless an earlier attempt of the same application has left it. */
    NO,
    /** Goes on with it; without one there is nothing to do. */
    YES,
    /** Goes on with it, or begins one: for schedulers that submit the same command again. */
    AUTO
}
