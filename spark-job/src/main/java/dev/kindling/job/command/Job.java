package dev.kindling.job.command;

/** What a command does, given its options. */
@FunctionalInterface
public interface Job<O> {
    /**
     * Runs to the end.
     *
     * @throws dev.kindling.config.ConfigException for options or a configuration that cannot be (exit code 2)
     * @throws Exception for any other failure (exit code 1); the message says what, why, and what to do
     */
    void run(O options) throws Exception;
}
