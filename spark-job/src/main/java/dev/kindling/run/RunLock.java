package dev.kindling.run;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import org.apache.hadoop.fs.Path;

/**
 * The lock of a run directory on a local disk, which one training at a time can hold. The operating system holds it for
 * the driver's process and releases it however the process ends. The lock file is never deleted: otherwise a process that
 * had just opened it could lock a file without a name, while the next one locks a new file.
 */
final class RunLock implements AutoCloseable {
    private final FileChannel channel;

    private RunLock(FileChannel channel) {
        this.channel = channel;
    }

    /** Takes the lock of an existing run directory; empty when another training has it. */
    static Optional<RunLock> take(Path run) throws IOException {
        java.nio.file.Path file = java.nio.file.Path.of(run.toUri().getPath(), ".lock");
        FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        if (!locked(channel)) {
            channel.close();
            return Optional.empty();
        }
        return Optional.of(new RunLock(channel));
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
