package dev.kindling.doctor;

import dev.kindling.allreduce.link.Encryption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.spark.SparkConf;

/** Settings of Spark that keep ranks from starting, slow them down, or leave gradients open to others. */
public final class DriverChecks {
    private static final String DRIVER = "driver";
    private static final int SLOWEST_SLOT_CHECK_SECONDS = 5;

    private DriverChecks() {}

    /**
     * What in Spark's settings keeps training from running or slows it down.
     *
     * @param version Spark's, such as 4.2.0
     */
    public static List<Finding> check(SparkConf conf, String master, String version) {
        List<Finding> findings = new ArrayList<>();
        findings.add(
                version.startsWith("4.")
                        ? Finding.ok("spark", DRIVER, version + ", master " + master)
                        : Finding.fail("spark", DRIVER, version, "use Spark 4.2 or a later 4.x, built for Scala 2.13"));
        findings.add(cores(conf));
        findings.add(security(conf, master));
        long seconds = conf.getTimeAsSeconds("spark.scheduler.barrier.maxConcurrentTasksCheck.interval", "15s");
        if (seconds > SLOWEST_SLOT_CHECK_SECONDS) {
            findings.add(Finding.warn(
                    "slot check",
                    DRIVER,
                    "spark.scheduler.barrier.maxConcurrentTasksCheck.interval is " + seconds + " s",
                    "leave it out: Kindling sets 1 s, so that a restart after a fault is quick"));
        }
        return findings;
    }

    private static Finding cores(SparkConf conf) {
        int cores = conf.getInt("spark.executor.cores", 1);
        int cpus = conf.getInt("spark.task.cpus", 1);
        String found = "spark.executor.cores " + cores + ", spark.task.cpus " + cpus;
        if (cpus > cores) {
            return Finding.fail(
                    "cores", DRIVER, found, "no task fits an executor: set spark.task.cpus to " + cores + " or less");
        }
        if (cores / cpus > 1 && !conf.contains("spark.task.resource.gpu.amount")) {
            return Finding.warn(
                    "cores",
                    DRIVER,
                    found + ": " + cores / cpus + " ranks may share an executor",
                    "set spark.task.cpus=" + cores + ", so that each executor runs one rank with all its cores");
        }
        return Finding.ok("cores", DRIVER, found);
    }

    private static Finding security(SparkConf conf, String master) {
        boolean authenticated = conf.getBoolean("spark.authenticate", false);
        Optional<String> encryption = Encryption.setting(conf);
        boolean encrypted = encryption.isPresent();
        String found = "spark.authenticate " + authenticated
                + encryption.map(setting -> ", " + setting + " true").orElse(", no encryption");
        if (master.startsWith("local") || (authenticated && encrypted)) {
            return Finding.ok("security", DRIVER, found);
        }
        return authenticated
                ? Finding.warn(
                        "security",
                        DRIVER,
                        found,
                        "gradients travel in the clear; set spark.network.crypto.enabled=true where the network is shared")
                : Finding.warn(
                        "security",
                        DRIVER,
                        found,
                        "whoever reaches the ports can join; set spark.authenticate=true and spark.network.crypto.enabled=true");
    }
}
