/**
 * Files on any Hadoop file system (local disks, HDFS, S3 ...), written whole or not at all.
 *
 * <p>In: paths and contents. Out: files that readers see complete or not, and folders of shards for the module {@code
 * data}, which knows no Hadoop. What fails in a way that may pass is tried again, by one policy, {@link
 * dev.kindling.storage.Retry}; beyond its time it is a {@link dev.kindling.data.StoreException}. Called by everything in this module that reads or writes a run's files, on the driver
 * and on executors. Starts no threads.
 */
package dev.kindling.storage;
