/**
 * The error that all packages of this module throw: {@link dev.kindling.data.DataException}, for text, a vocabulary or a
 * shard that cannot be used.
 *
 * <p>Text flows through the packages below in the order {@code corpus}, {@code token}, {@code shard}, {@code batch}; each
 * knows only those before it, and none knows Spark or CUDA. The commands catch the error and print its message.
 */
package dev.kindling.data;
