package dev.kindling.doctor;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * Whether runs can be kept in a directory: rank 0 writes a file and renames it into place, as checkpoints are
 * committed; every rank must then read it. What was written is deleted again.
 */
final class SharedDirectory {
    private static final String CHECK = "run directory";
    private static final long LITTLE_BYTES = 2L << 30;

    private final AllReduce channel;
    private final Path directory;
    private final Configuration hadoop;

    SharedDirectory(AllReduce channel, String directory, Configuration hadoop) {
        this.channel = channel;
        this.directory = new Path(directory);
        this.hadoop = hadoop;
    }

    /** All ranks must call it. */
    List<Finding> check(String where) {
        byte[] name = channel.broadcast((".kindling-doctor-" + UUID.randomUUID()).getBytes(StandardCharsets.UTF_8));
        Path probe = new Path(directory, new String(name, StandardCharsets.UTF_8));
        List<Finding> findings = new ArrayList<>();
        if (channel.rank() == 0) {
            findings.add(write(probe, where));
        }
        channel.barrier();
        if (channel.rank() != 0) {
            findings.add(read(probe, where));
        }
        channel.barrier();
        if (channel.rank() == 0) {
            findings.add(space(where));
            delete(probe);
        }
        return findings;
    }

    private Finding write(Path probe, String where) {
        try {
            Storage.of(probe, hadoop).write(probe, probe.getName());
            return Finding.ok(CHECK, where, directory + ": written, renamed into place");
        } catch (IOException | RuntimeException e) {
            return Finding.fail(
                    CHECK,
                    where,
                    directory + ": " + e.getMessage(),
                    "give --out a directory on a file system where executors may write and rename");
        }
    }

    private Finding read(Path probe, String where) {
        String found;
        try {
            if (Storage.of(probe, hadoop).read(probe).equals(probe.getName())) {
                return Finding.ok(CHECK, where, directory + ": sees what rank 0 wrote");
            }
            found = "another content than rank 0 wrote";
        } catch (IOException | RuntimeException e) {
            found = e.getMessage();
        }
        return Finding.fail(
                CHECK,
                where,
                directory + ": " + found,
                "give --out a directory that all executors share: HDFS, S3, NFS; a local disk will not do");
    }

    private Finding space(String where) {
        try {
            long free = directory.getFileSystem(hadoop).getStatus(directory).getRemaining();
            String found = String.format(Locale.ROOT, "%s: %,d MiB free", directory, free >> 20);
            return free >= LITTLE_BYTES
                    ? Finding.ok("space", where, found)
                    : Finding.warn("space", where, found, "free space there: a checkpoint of GPT-2 124M takes 1.5 GB");
        } catch (IOException | RuntimeException e) {
            return Finding.warn("space", where, directory + ": unknown, " + e.getMessage(), "check the quota yourself");
        }
    }

    private void delete(Path probe) {
        try {
            probe.getFileSystem(hadoop).delete(probe, false);
        } catch (IOException e) {
            throw new IllegalStateException("could not delete " + probe + "; delete it by hand", e);
        }
    }
}
