package dev.kindling.coordinate.message;

import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import org.apache.spark.SparkConf;

/**
 * Words an executor's want of memory outside of its device: Java's heap, or memory beside it. Another attempt in the same
 * memory would end in the same way, so the errors are final.
 */
public final class HeapShortage {
    /** How Spark and its clusters say that an executor has ended with {@code SparkExitCode.OOM}. */
    private static final Pattern EXIT = Pattern.compile("(?i)exit(ed with)?( a non-zero exit)? (code|status):? 52\\b");

    private static final String REMEDY =
            "; give it more (--executor-memory, which is spark.executor.memory), or less to do at once (train.micro_batch, model.block_size; --batch of evaluate and generate)";

    private HeapShortage() {}

    /** What {@code failure} means if it, or one of its causes, is an executor's OutOfMemoryError. */
    public static Optional<FatalJobException> among(Throwable failure, SparkConf conf) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof OutOfMemoryError) {
                String memory = "of spark.executor.memory=" + conf.get("spark.executor.memory", "1g");
                return Optional.of(new FatalJobException(
                        String.format(
                                Locale.ROOT,
                                "an executor %s ran out of memory (%s)%s",
                                memory,
                                cause.getMessage(),
                                REMEDY),
                        failure));
            }
        }
        return Optional.empty();
    }

    /** What the end of an executor means if it has ended itself for want of memory; {@code reason} is Spark's. */
    public static Optional<String> exit(String reason) {
        return EXIT.matcher(reason).find()
                ? Optional.of(
                        String.format(Locale.ROOT, "its executor ran out of memory and ended (%s)%s", reason, REMEDY))
                : Optional.empty();
    }
}
