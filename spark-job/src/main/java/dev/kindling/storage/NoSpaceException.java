package dev.kindling.storage;

import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.apache.hadoop.fs.ClusterStorageCapacityExceededException;

/** A file could not be written because its disk, or the user's quota, is used up: where, and what to do, in one line. */
public final class NoSpaceException extends IOException {
    private static final long serialVersionUID = 1L;

    /** What systems say: ENOSPC and EDQUOT of POSIX, and Windows. */
    private static final List<String> SAID =
            List.of("No space left on device", "Disk quota exceeded", "There is not enough space on the disk");

    private final String reason;

    /**
     * Makes the error of a file or directory.
     *
     * @param where what is on that disk
     * @param reason what the system said
     */
    public NoSpaceException(String where, String reason, Throwable cause) {
        super(
                String.format(
                        Locale.ROOT,
                        "no space is left for %s (%s); free space there, or have the quota raised, then run the command again, a training with --resume",
                        where,
                        reason),
                cause);
        this.reason = reason;
    }

    /** The same of what users know the file as. */
    NoSpaceException at(String where) {
        return new NoSpaceException(where, reason, this);
    }

    /** What the system has said of a full disk, if {@code failure} or one of its causes is of one. */
    public static Optional<String> reason(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            String message = String.valueOf(cause.getMessage());
            if (cause instanceof ClusterStorageCapacityExceededException) { // HDFS's quotas
                return message.lines().findFirst();
            }
            Optional<String> said = SAID.stream().filter(message::contains).findFirst();
            if (said.isPresent()) {
                return said;
            }
        }
        return Optional.empty();
    }

    /** {@code failure}, or what it means if it is one of a full disk. */
    static IOException of(IOException failure, String where) {
        if (failure instanceof NoSpaceException) {
            return failure;
        }
        return reason(failure)
                .<IOException>map(reason -> new NoSpaceException(where, reason, failure))
                .orElse(failure);
    }
}
