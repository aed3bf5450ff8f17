/**
 * What users name to be read, for every command alike: text files, tables of JSON lines or Parquet, compressed or not, on
 * any Hadoop file system.
 *
 * <p>In: a path, which is a name and never a pattern, and a table's columns ({@link dev.kindling.input.Named}). The driver
 * lists it ({@link dev.kindling.input.TextInput}), so that what cannot be read is known before the work begins. Out: files
 * that tasks read by ranges of bytes: text between places where it may be cut ({@link dev.kindling.input.TextFile}), rows
 * in order ({@link dev.kindling.input.TableRows}). Ranges that touch have all text, and every row, once.
 *
 * <p>Called by {@code prepare}, {@code evaluate} and {@code generate}. Text is strict UTF-8. Starts no threads; open files
 * belong to the thread that opened them, everything else is immutable.
 */
package dev.kindling.input;
