package dev.kindling.coordinate;

import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.resource.ResourceProfile;
import org.apache.spark.resource.TaskResourceProfile;
import org.apache.spark.resource.TaskResourceRequests;
import org.apache.spark.status.api.v1.ExecutorSummary;
import scala.jdk.javaapi.CollectionConverters;

/**
 * What Spark gives to a rank: an executor of its own. An application that Kindling starts has one task slot an executor;
 * one that runs already, such as a notebook's, may have many, so that a rank there asks for all cores of an executor.
 */
final class RankResources {
    private static final String EXECUTOR_GPUS = "spark.executor.resource.gpu.amount";

    private RankResources() {}

    /** The profile of the ranks of this application. */
    static ResourceProfile of(SparkContext spark) {
        SparkConf conf = spark.getConf();
        int cores = conf.getInt("spark.executor.cores", 1);
        for (ExecutorSummary executor :
                CollectionConverters.asJava(spark.statusStore().executorList(true))) {
            if (!executor.id().equals("driver")) {
                cores = Math.max(cores, executor.totalCores());
            }
        }
        if (spark.isLocal() || cores / conf.getInt("spark.task.cpus", 1) <= 1) {
            return spark.resourceProfileManager().defaultResourceProfile();
        }
        TaskResourceRequests requests = new TaskResourceRequests().cpus(cores);
        if (conf.contains(EXECUTOR_GPUS)) {
            requests.resource("gpu", conf.getInt(EXECUTOR_GPUS, 1));
        }
        ResourceProfile profile = new TaskResourceProfile(requests.requests());
        spark.resourceProfileManager().addResourceProfile(profile);
        return profile;
    }
}
