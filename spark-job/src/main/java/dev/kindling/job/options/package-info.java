/** The options of each command as an immutable record, parsed and typed: what {@code job.command} gives to a job. */
package dev.kindling.job.options;
