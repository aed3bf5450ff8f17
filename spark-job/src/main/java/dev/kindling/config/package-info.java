/**
 * A run's configuration. In come a YAML file (local, on any Hadoop file system, or from the jar), {@code --set} and the
 * short forms of the command line; out goes a {@link dev.kindling.config.TrainConfig}, an immutable record of sections
 * that is valid as a whole, or a {@link dev.kindling.config.ConfigException} that says what to change.
 *
 * <p>Every key is declared once, by {@link dev.kindling.config.KeyDoc} on its record's component: default, doc, allowed
 * values. {@link dev.kindling.config.ConfigTree} reads and writes YAML by these declarations, and {@code train --keys}
 * prints them ({@link dev.kindling.config.ConfigKey}).
 *
 * <p>The driver loads the configuration when a command starts; the jobs send it to the executors by serialization. All
 * of it may be used by any thread.
 */
package dev.kindling.config;
