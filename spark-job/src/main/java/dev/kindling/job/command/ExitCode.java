package dev.kindling.job.command;

/** What a command's process ends with. */
public final class ExitCode {
    public static final int DONE = 0;
    public static final int FAILURE = 1;
    /** Wrong usage or configuration: the same command will fail again. */
    public static final int USAGE = 2;

    private ExitCode() {}
}
