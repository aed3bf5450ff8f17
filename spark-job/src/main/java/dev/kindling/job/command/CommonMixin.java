package dev.kindling.job.command;

import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Options of every command; what is given is read from picocli's parse result. */
@Command
@SuppressWarnings("unused") // picocli sets the fields
public final class CommonMixin {
    public static final String VERBOSE = "-v";

    @Option(
            names = {VERBOSE, "--verbose"},
            description = "Show stack traces with errors; train: where the time before the first step went.")
    private boolean verbose;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help.")
    private boolean help;
}
