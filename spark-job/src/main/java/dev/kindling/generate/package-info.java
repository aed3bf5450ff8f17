/**
 * The work of {@code generate}: continuing prompts with a checkpoint's model.
 *
 * <p>In: one prompt, or a file of them ({@link dev.kindling.generate.Prompts}), and how to sample. Out: text as it
 * comes ({@link dev.kindling.local.Completion}), or a table with one row per text ({@link
 * dev.kindling.generate.Completions}). A text depends on the seed, its prompt's number and its sample's number, and on
 * nothing else.
 *
 * <p>Called by {@code job.GenerateJob}: on the driver for one prompt, in the tasks of an ordinary Spark job for a file.
 * Starts no threads; tasks on one device share a model and take turns.
 */
package dev.kindling.generate;
