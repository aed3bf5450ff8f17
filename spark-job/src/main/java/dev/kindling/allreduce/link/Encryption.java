package dev.kindling.allreduce.link;

import java.util.List;
import java.util.Optional;
import org.apache.spark.SparkConf;

/** Whether Spark's settings ask that nothing travels between processes in the clear, by any of Spark's ways. */
public final class Encryption {
    private static final List<String> WAYS =
            List.of("spark.ssl.rpc.enabled", "spark.network.crypto.enabled", "spark.authenticate.enableSaslEncryption");

    private Encryption() {}

    /** The setting that asks for it; empty where none does. */
    public static Optional<String> setting(SparkConf conf) {
        return WAYS.stream().filter(way -> conf.getBoolean(way, false)).findFirst();
    }
}
