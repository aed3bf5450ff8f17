package dev.kindling.storage;

import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;

/** The local disk as a store far away, {@code late:/path}, whose clock is an hour behind that of this host. */
public final class LateDisk extends RawLocalFileSystem {
    private static final Duration BEHIND = Duration.ofHours(1);

    /** Settings by which Hadoop finds it. */
    public static Configuration settings() {
        Configuration hadoop = new Configuration(false);
        hadoop.set("fs.late.impl", LateDisk.class.getName());
        return hadoop;
    }

    @Override
    public URI getUri() {
        return URI.create("late:///");
    }

    @Override
    public FileStatus getFileStatus(Path path) throws IOException {
        FileStatus status = super.getFileStatus(path);
        return new FileStatus(
                status.getLen(),
                status.isDirectory(),
                status.getReplication(),
                status.getBlockSize(),
                status.getModificationTime() - BEHIND.toMillis(),
                status.getPath());
    }
}
