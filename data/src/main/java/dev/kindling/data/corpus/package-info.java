/**
 * Text by document: where a run's text comes from.
 *
 * <p>In: the Shakespeare plays on the class path, or bytes that are to be UTF-8 ({@link
 * dev.kindling.data.corpus.Utf8Decoder}). Out: {@link dev.kindling.data.corpus.Document}s in an order that is the same on
 * every machine, and the place where training text ends and validation text begins ({@link
 * dev.kindling.data.corpus.CorpusSplit}).
 *
 * <p>Called by the Spark jobs that prepare a corpus or score text. Starts
 * no threads; a stream of documents belongs to the thread that opened it, everything else is immutable.
 */
package dev.kindling.data.corpus;
