package dev.kindling.job.command;

/** The exit codes of a command's process. */
public final class ExitCode {
    public static final int DONE = 0;
    public static final int FAILURE = 1;
    /** Wrong usage or configuration: the same command would fail again. */
    public static final int USAGE = 2;

    private ExitCode() {}
}
