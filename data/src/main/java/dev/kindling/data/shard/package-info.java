/**
 * Token ids in files: the shards of a corpus.
 *
 * <p>In: documents and a tokenizer ({@link dev.kindling.data.shard.ShardSeries}). Out: a {@link
 * dev.kindling.data.shard.ShardSet}, which is a folder of shard files and the {@code manifest.json} that is written last, read
 * as one {@link dev.kindling.data.shard.TokenSequence} per split: block by block, each under a checksum of its own. The {@code
 * .bin} files of nanoGPT and llm.c can be read and written, too ({@link dev.kindling.data.shard.TokenBin}).
 *
 * <p>Written by {@code prepare}, on the driver or by Spark tasks; read by the batch samplers and by {@code evaluate}. A
 * {@link dev.kindling.data.shard.ShardFolder} is the door to the file system: a local one is here, Hadoop's is in the
 * module spark-job. A series is for one thread; sets and sequences are shared between threads. A
 * set of a store reads on threads of its own, which end when there is nothing to read.
 */
package dev.kindling.data.shard;
