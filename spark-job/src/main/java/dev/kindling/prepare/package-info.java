/**
 * Text to shards, as a Spark job of two stages; and nanoGPT's and llm.c's files of ids to shards, and back.
 *
 * <p>In: the name of a corpus ({@code shakespeare}, or a path on any Hadoop file system), a tokenizer and the fraction
 * to validate on. Out: a folder of shards, see {@code data.shard}. The first stage counts characters and collects the
 * vocabulary, the driver places the cut between training and validation, the second stage writes shards, and the driver
 * commits them. Files of ids are copied by tasks in ranges, and written by the driver.
 *
 * <p>Called on the driver by {@code train}, {@code prepare}, {@code evaluate} and {@code compare}; ranks and tasks only
 * open shards. Starts no threads of its own.
 */
package dev.kindling.prepare;
