package dev.kindling.coordinate.message;

import java.io.Serializable;

/**
 * What made a generation fail, before everything that followed from it.
 *
 * @param rank the rank at fault; -1 when it is not one rank's
 * @param where host, executor, GPU of the rank; empty when there is none
 * @param what one line: the exception, or what the watchdog saw
 * @param stack the rank's stack trace; empty when the watchdog or Spark saw it
 * @param fatal another attempt is pointless
 * @param usage the configuration or what the user named is at fault, so it is fatal, too
 */
public record FirstCause(int rank, String where, String what, String stack, boolean fatal, boolean usage)
        implements Serializable {

    /** One that is no fault of the user's. */
    public FirstCause(int rank, String where, String what, String stack, boolean fatal) {
        this(rank, where, what, stack, fatal, false);
    }

    /** The same, of a rank whose place is known. */
    public FirstCause at(String place) {
        return new FirstCause(rank, place, what, stack, fatal, usage);
    }

    /** "rank 1 (executor 0 on node7): java.io.IOException: disk full". */
    public String describe() {
        return where.isEmpty() ? what : where + ": " + what;
    }
}
