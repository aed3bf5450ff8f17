package dev.kindling.job.command;

import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Options of every command. */
@Command
final class CommonMixin {
    @Option(
            names = {"-v", "--verbose"},
            description = "Show stack traces with errors.")
    private boolean verbose;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help.")
    @SuppressWarnings("unused") // picocli sets it and shows the help
    private boolean help;

    boolean verbose() {
        return verbose;
    }
}
