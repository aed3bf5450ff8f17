package dev.kindling.job.command;

/** The work of a command, given its options. */
@FunctionalInterface
public interface Job<O> {
    /**
     * Runs to the end.
     *
     * @throws dev.kindling.config.ConfigException for wrong options or a wrong configuration (exit code 2)
     * @throws Exception for any other failure (exit code 1); the message says what, why, and what to do
     */
    void run(O options) throws Exception;
}
