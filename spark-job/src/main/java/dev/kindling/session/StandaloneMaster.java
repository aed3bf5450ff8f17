package dev.kindling.session;

import dev.kindling.coordinate.message.FatalJobException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.commons.lang3.exception.ExceptionUtils;
import org.apache.spark.SecurityManager;
import org.apache.spark.SparkConf;
import org.apache.spark.internal.config.package$;
import org.apache.spark.rpc.RpcAddress;
import org.apache.spark.rpc.RpcEnv;
import org.apache.spark.util.Utils;
import scala.Option;

/**
 * Asks the master of a standalone cluster whether it is there before an application is started. Spark itself tries for a
 * minute, and then ends the application beneath the job, which would only see that it is stopped.
 */
final class StandaloneMaster {
    private static final String SCHEME = "spark://";
    /** The name under which a master answers, leader or standby. */
    private static final String ENDPOINT = "Master";

    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private StandaloneMaster() {}

    /**
     * Returns at once where the master is not a standalone one.
     *
     * @throws FatalJobException with the reason, within 20 s for each master, if none of them answers
     */
    static void requireAnswer(SparkConf conf) {
        requireAnswer(conf, PATIENCE);
    }

    /** @param patience for each master */
    static void requireAnswer(SparkConf conf, Duration patience) {
        String master = conf.get("spark.master", "");
        if (!master.startsWith(SCHEME)) {
            return;
        }
        SparkConf patient = conf.clone().set("spark.rpc.lookupTimeout", patience.toMillis() + "ms");
        SecurityManager security =
                new SecurityManager(patient, Option.empty(), package$.MODULE$.AUTH_SECRET_FILE_DRIVER());
        RpcEnv rpc = RpcEnv.create("kindlingMasterCheck", Utils.localHostName(), -1, patient, security, true);
        try {
            List<String> reasons = new ArrayList<>();
            for (String address : master.substring(SCHEME.length()).split(",")) {
                try {
                    rpc.setupEndpointRef(RpcAddress.fromSparkURL(SCHEME + address), ENDPOINT);
                    return;
                } catch (Exception e) { // Scala throws checked ones undeclared
                    reasons.add(address + ": " + rootOf(e));
                }
            }
            throw new FatalJobException(
                    "no master answers at %s (%s); start it, check --master, and give this application the spark.authenticate and spark.network.crypto settings of the cluster",
                    master, String.join("; ", reasons));
        } finally {
            rpc.shutdown();
            rpc.awaitTermination();
        }
    }

    private static String rootOf(Throwable failure) {
        Throwable root = ExceptionUtils.getRootCause(failure);
        return String.valueOf(root.getMessage()).lines().findFirst().orElse(root.toString());
    }
}
