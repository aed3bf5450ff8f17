package dev.kindling.storage;

import dev.kindling.data.DataException;
import dev.kindling.data.StoreException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.FileSystemException;
import java.time.Duration;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.PathExistsException;
import org.apache.hadoop.fs.PathIsDirectoryException;
import org.apache.hadoop.fs.PathIsNotDirectoryException;
import org.apache.hadoop.fs.PathIsNotEmptyDirectoryException;
import org.apache.hadoop.fs.PathPermissionException;
import org.apache.hadoop.security.AccessControlException;
import org.apache.hadoop.security.token.SecretManager;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one place that handles transient faults of a store: what failed is tried again, after pauses that double from
 * 0.2 s to 5 s, for as long as {@value #TIMEOUT} says (60 s where it is not set). Beyond that it is a {@link
 * StoreException}. A missing file, a refused permission and a used-up quota are thrown at once. A store's own
 * client may have tried for a while before it reports a fault. Thread-safe.
 */
public final class Retry {
    /** The setting of how long one operation is tried: a time as Spark writes it ({@code 5min}). */
    public static final String TIMEOUT = "spark.kindling.storage.timeout";

    private static final Logger LOG = LoggerFactory.getLogger(Retry.class);
    private static final String STANDARD = "60s";
    private static final long FIRST_PAUSE_MILLIS = 200;
    private static final long LONGEST_PAUSE_MILLIS = 5_000;
    /** Exceptions of stores whose classes are not on every class path. */
    private static final Set<String> FINAL = Set.of(
            "UnknownStoreException",
            "AWSBadRequestException",
            "AWSRedirectException",
            "AWSUnsupportedFeatureException",
            "NoAwsCredentialsException",
            "NoAuthWithAWSException");

    private final long patienceNanos;

    /** @param patience how long one operation is tried */
    public Retry(Duration patience) {
        patienceNanos = patience.toNanos();
    }

    /** As this process's Spark settings say. */
    public static Retry ofSettings() {
        SparkEnv env = SparkEnv.get();
        SparkConf conf = env == null ? new SparkConf() : env.conf();
        return new Retry(Duration.ofMillis(conf.getTimeAsMs(TIMEOUT, STANDARD)));
    }

    /** How long one operation is tried. */
    public Duration patience() {
        return Duration.ofNanos(patienceNanos);
    }

    /** What may be done more than once. */
    @FunctionalInterface
    public interface Operation<T> {
        T run() throws IOException;
    }

    /**
     * Runs {@code operation} until it succeeds.
     *
     * @param verb what is done, for messages: "read"
     * @param path with what
     * @throws IOException what no other attempt would change
     * @throws StoreException when it has failed for all of the time
     */
    public <T> T run(String verb, Path path, Operation<T> operation) throws IOException {
        long began = System.nanoTime();
        long pause = FIRST_PAUSE_MILLIS;
        while (true) {
            try {
                return operation.run();
            } catch (IOException e) {
                IOException meant = NoSpaceException.of(e, path.toString());
                if (isFinal(meant)) {
                    throw meant;
                }
                long left = patienceNanos - (System.nanoTime() - began);
                if (left <= 0) {
                    throw exhausted(verb + " " + path, began, e);
                }
                LOG.warn(
                        "could not {} {} ({}); trying for another {} s",
                        verb,
                        path,
                        DataException.reason(e),
                        left / 1_000_000_000);
                sleep(
                        Math.min(
                                left / 1_000_000 + 1,
                                pause / 2 + ThreadLocalRandom.current().nextLong(pause / 2)),
                        e);
                pause = Math.min(2 * pause, LONGEST_PAUSE_MILLIS);
            }
        }
    }

    private static StoreException exhausted(String what, long began, IOException last) {
        return new StoreException(
                String.format(
                        Locale.ROOT,
                        "could not %s in %.0f s of trying (%s is the bound), at last because of %s",
                        what,
                        (System.nanoTime() - began) / 1e9,
                        TIMEOUT,
                        DataException.reason(last)),
                last);
    }

    private static void sleep(long millis, IOException failure) throws InterruptedIOException {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            InterruptedIOException broken = new InterruptedIOException("interrupted after " + failure.getMessage());
            broken.initCause(failure);
            throw broken;
        }
    }

    /** Whether another attempt would meet the same. */
    static boolean isFinal(IOException failure) {
        return failure instanceof NoSpaceException
                || failure instanceof FileNotFoundException
                || failure instanceof EndOfFileException
                || failure instanceof FileSystemException // of java.nio: access, existence
                || failure instanceof org.apache.hadoop.fs.FileAlreadyExistsException
                || failure instanceof org.apache.hadoop.fs.ParentNotDirectoryException
                || failure instanceof PathExistsException
                || failure instanceof PathIsDirectoryException
                || failure instanceof PathIsNotDirectoryException
                || failure instanceof PathIsNotEmptyDirectoryException
                || failure instanceof PathPermissionException
                || failure instanceof SecretManager.InvalidToken
                || failure instanceof UnknownHostException
                || failure instanceof ClosedByInterruptException
                || (failure instanceof InterruptedIOException && !(failure instanceof SocketTimeoutException))
                || isDenied(failure)
                || FINAL.contains(failure.getClass().getSimpleName());
    }

    /** Whether the user lacks a permission, which is said where it helps. */
    public static boolean isDenied(IOException failure) {
        return failure instanceof AccessControlException
                || failure instanceof java.nio.file.AccessDeniedException
                || String.valueOf(failure.getMessage()).contains("(Permission denied)"); // of a local disk
    }
}
