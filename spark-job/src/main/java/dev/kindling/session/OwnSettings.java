package dev.kindling.session;

import dev.kindling.config.ConfigException;
import dev.kindling.config.NearestName;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.model.ExecutorDevice;
import dev.kindling.run.Submission;
import dev.kindling.storage.Retry;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.spark.SparkConf;
import scala.Tuple2;

/** Kindling's own settings among Spark's. */
final class OwnSettings {
    private static final String PREFIX = "spark.kindling.";
    /** Of the connections between ranks, named like Spark's own {@code spark.rpc.io.*}, which Spark reads. */
    private static final String CONNECTIONS = PREFIX + "io.";

    private static final Set<String> KNOWN = Set.of(
            SparkSettings.EMBEDDED,
            SparkSettings.CLASSES,
            ExecutorDevice.CPU_THREADS,
            Submission.NAMED,
            Retry.TIMEOUT,
            Limits.SLOTS,
            Limits.RENDEZVOUS,
            Limits.FIRST_STEP,
            Limits.STEP,
            Limits.ALLREDUCE,
            Limits.STOP);

    private OwnSettings() {}

    /** @throws ConfigException where one has a name that nothing reads */
    static void requireKnown(SparkConf conf) {
        Stream.of(conf.getAll())
                .map(Tuple2::_1)
                .filter(name -> name.startsWith(PREFIX) && !name.startsWith(CONNECTIONS) && !KNOWN.contains(name))
                .findFirst()
                .ifPresent(name -> {
                    throw new ConfigException(
                            "unknown setting '%s'; did you mean '%s'? Keys of a configuration, such as cluster.silence_seconds, go with --set",
                            name, NearestName.of(name, KNOWN).orElseThrow());
                });
    }
}
