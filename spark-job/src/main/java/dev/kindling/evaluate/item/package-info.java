/**
 * What {@code evaluate --task} asks a model: items, each a context and the endings it may have, as lm-evaluation-harness
 * makes them.
 *
 * <p>In: JSON lines in one of the layouts of {@link dev.kindling.evaluate.item.ItemLayout}, found and read by {@link
 * dev.kindling.evaluate.item.ItemFile}. Out: {@link dev.kindling.evaluate.item.Item}s, and the tokens of each ending with
 * those of its context before them ({@link dev.kindling.evaluate.item.EndingTokens}). No Spark.
 */
package dev.kindling.evaluate.item;
