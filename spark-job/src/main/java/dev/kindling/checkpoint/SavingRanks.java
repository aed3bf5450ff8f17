package dev.kindling.checkpoint;

import dev.kindling.storage.Storage;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The ranks that save what they hold since their driver is gone. Each says so by a file that it writes again every
 * {@link #RENEWAL}, {@code checkpoints/.rescuing-rank-0/alive}: a new driver waits for those whose file is young. Ages are
 * differences of times that the store has given to files; no other clock counts.
 */
public final class SavingRanks {
    private static final Logger LOG = LoggerFactory.getLogger(SavingRanks.class);
    /** How often a rank says that it is at it. */
    public static final Duration RENEWAL = Duration.ofSeconds(1);
    /** A rank that has not said so for this long was killed, or is frozen. */
    private static final Duration LEASE = Duration.ofSeconds(8);

    static final String PROBE = ".probe-";
    private static final String ANNOUNCED = RescuedCheckpoints.RESCUING + "rank-";
    private static final long POLL_MILLIS = 100;
    /** A wait that takes longer is told. */
    private static final long TELL_MILLIS = 1_000;

    private final Storage storage;
    private final Path checkpoints;
    private final Duration lease;

    SavingRanks(Storage storage, Path checkpoints) {
        this(storage, checkpoints, LEASE);
    }

    SavingRanks(Storage storage, Path checkpoints, Duration lease) {
        this.storage = storage;
        this.checkpoints = checkpoints;
        this.lease = lease;
    }

    private Path announcement(int rank) {
        return new Path(checkpoints, ANNOUNCED + rank);
    }

    /** The rank may have something to save, for the time of a lease. */
    public void renew(int rank) throws IOException {
        storage.create(new Path(announcement(rank), "alive"), out -> {});
    }

    /** The rank is done, whatever it did. */
    public void end(int rank) throws IOException {
        storage.files().delete(announcement(rank), true);
    }

    /** Waits until no rank is at it any more; those that were killed meanwhile or before are not waited for. */
    public void await() throws IOException {
        if (files(checkpoints, ANNOUNCED).isEmpty()) {
            return;
        }
        long now = now();
        long began = System.nanoTime();
        long waited = 0;
        boolean told = false;
        while (someIsAtIt(now + waited)) {
            if (!told && waited >= TELL_MILLIS) {
                told = true;
                String line = "waiting for executors whose driver is gone: they save their last step in " + checkpoints;
                LOG.info("{}", line);
                System.out.println(line);
            }
            try {
                Thread.sleep(POLL_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
            waited = (System.nanoTime() - began) / 1_000_000;
        }
    }

    private boolean someIsAtIt(long now) throws IOException {
        for (FileStatus announcement : files(checkpoints, ANNOUNCED)) {
            for (FileStatus alive : files(announcement.getPath(), "")) {
                if (now - alive.getModificationTime() < lease.toMillis()) {
                    return true;
                }
            }
        }
        return false;
    }

    private List<FileStatus> files(Path directory, String prefix) throws IOException {
        List<FileStatus> found = new ArrayList<>();
        try {
            for (FileStatus status : storage.files().listStatus(directory)) {
                if (status.getPath().getName().startsWith(prefix)) {
                    found.add(status);
                }
            }
        } catch (FileNotFoundException e) { // not there yet, or deleted just now
            return List.of();
        }
        return found;
    }

    /**
     * What time it is by the clock by which the store dates files, in milliseconds since 1970: that of a file which is written
     * for this question. Where none can be written, by this host's.
     */
    public long now() {
        Path probe = new Path(checkpoints, PROBE + UUID.randomUUID());
        Path file = new Path(probe, "now"); // in a folder, as all is that a commit sweeps
        try {
            storage.create(file, out -> {});
            long now = storage.files().getFileStatus(file).getModificationTime();
            storage.files().delete(probe, true);
            return now;
        } catch (IOException e) { // what it may have left, the next commit sweeps
            LOG.warn("cannot ask {} what time it is, so that this host's clock counts", checkpoints, e);
            return System.currentTimeMillis();
        }
    }
}
