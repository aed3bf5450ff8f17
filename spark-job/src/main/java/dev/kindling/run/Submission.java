package dev.kindling.run;

import java.util.Optional;
import org.apache.spark.SparkConf;

/**
 * Names the submission that a driver belongs to, where the cluster or a scheduler may start another driver for it when
 * one has failed: one attempt follows the other and goes on with what that has left.
 */
public final class Submission {
    /** A name that a scheduler gives to all attempts of one training. */
    public static final String NAMED = "spark.kindling.submission";

    private static final String YARN = "spark.yarn.app.id";
    private static final String DEPLOY_MODE = "spark.submit.deployMode";
    private static final String SUBMITTED = "spark.app.submitTime";

    private Submission() {}

    /** Empty where the driver is started once, as by spark-submit in client mode. */
    static Optional<String> ofThisProcess() {
        SparkConf conf = new SparkConf();
        if (conf.contains(NAMED)) {
            return Optional.of(conf.get(NAMED));
        }
        if (!conf.get(DEPLOY_MODE, "").equals("cluster")) {
            return Optional.empty();
        }
        if (conf.contains(YARN)) {
            return Optional.of(conf.get(YARN));
        }
        return conf.contains(SUBMITTED) ? Optional.of("submitted at " + conf.get(SUBMITTED)) : Optional.empty();
    }
}
