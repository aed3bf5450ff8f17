package dev.kindling.run;

import dev.kindling.config.ConfigException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.StandardOpenOption;
import org.apache.hadoop.fs.Path;

/**
 * Lets only one training at a time use a run directory: two would delete each other's checkpoints. The operating system
 * holds the lock for the driver's process and releases it however the process ends, which works on local disks only.
 * The lock file is never deleted: otherwise a process that had just opened it could lock a file without a name, while
 * the next one locks a new file.
 */
public final class RunLock implements AutoCloseable {
    private final FileChannel channel;

    private RunLock(FileChannel channel) {
        this.channel = channel;
    }

    /**
     * Takes the lock of an existing run directory.
     *
     * @return null where the directory is not on a local disk
     * @throws ConfigException when another training has it
     */
    public static RunLock take(Path run) throws IOException {
        if (!"file".equals(run.toUri().getScheme())) {
            return null;
        }
        java.nio.file.Path file = java.nio.file.Path.of(run.toUri().getPath(), ".lock");
        FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        if (!locked(channel)) {
            channel.close();
            throw new ConfigException(
                    "another training is writing to %s; wait for its end, or choose another --out".formatted(run));
        }
        return new RunLock(channel);
    }

    private static boolean locked(FileChannel channel) throws IOException {
        try {
            return channel.tryLock() != null;
        } catch (OverlappingFileLockException e) { // this process has it
            return false;
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
