package dev.kindling.storage;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.URI;
import java.util.Map;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.util.Progressable;
import org.apache.spark.TaskContext;

/** The local disk under another scheme, where the first attempt at task 0 cannot write its third shard, until it is killed. */
public final class StallingDisk extends RawLocalFileSystem {
    /** What an application must set to reach it. */
    public static final Map<String, String> SETTINGS =
            Map.of("spark.hadoop.fs.stalling.impl", StallingDisk.class.getName());

    @Override
    public URI getUri() {
        return URI.create("stalling:///");
    }

    @Override
    public FSDataOutputStream create(
            Path file,
            FsPermission permission,
            boolean overwrite,
            int bufferSize,
            short replication,
            long blockSize,
            Progressable progress)
            throws IOException {
        TaskContext task = TaskContext.get();
        boolean third = file.getName().contains("-0002.bin");
        if (third && task != null && task.partitionId() == 0 && task.attemptNumber() == 0) {
            stall();
        }
        return super.create(file, permission, overwrite, bufferSize, replication, blockSize, progress);
    }

    private static void stall() throws IOException {
        try {
            Thread.sleep(Long.MAX_VALUE);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("killed while it stalled");
        }
    }
}
