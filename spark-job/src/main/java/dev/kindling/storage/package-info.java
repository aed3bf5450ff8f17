/**
 * Files on any Hadoop file system (local disks, HDFS, S3 ...), written whole or not at all.
 *
 * <p>In: paths and contents. Out: files that readers see complete or not, and folders of shards for the module {@code
 * data}, which knows no Hadoop. Called by everything in this module that reads or writes a run's files, on the driver
 * and on executors. Starts no threads.
 */
package dev.kindling.storage;
