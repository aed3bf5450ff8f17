package dev.kindling.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.config.ConfigException;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.model.ExecutorDevice;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;

class SparkSettingsTest {
    @Test
    void anEmbeddedClusterHasAProcessForEachExecutor() {
        SparkConf conf =
                new SparkConf(false).set(SparkSettings.EMBEDDED, "true").set("spark.executor.memory", "1g");

        SparkSettings.forBarriers(conf, "train", 3, 0);

        assertThat(conf.get("spark.master")).isEqualTo("local-cluster[3,1,1024]");
        assertThat(conf.get("spark.cores.max")).isEqualTo("3");
        assertThat(conf.get("spark.plugins"))
                .isEqualTo("dev.kindling.session.RetryPause,dev.kindling.session.LostDeviceExit");
        assertThat(conf.contains("spark.executorEnv.LC_ALL")).isFalse();
        assertThat(ExecutorDevice.cpuThreads(conf)).isPositive();
    }

    @Test
    void whatTheUserSetStays() {
        SparkConf conf = new SparkConf(false)
                .setMaster("spark://h:7077")
                .set("spark.executor.cores", "4")
                .set("spark.plugins", "org.example.Theirs")
                .set("spark.ui.showConsoleProgress", "true");

        SparkSettings.forBarriers(conf, "train", 2, 0);

        assertThat(conf.get("spark.master")).isEqualTo("spark://h:7077");
        assertThat(conf.get("spark.cores.max")).isEqualTo("8");
        assertThat(conf.get("spark.ui.showConsoleProgress")).isEqualTo("true");
        assertThat(conf.get("spark.plugins"))
                .isEqualTo("org.example.Theirs,dev.kindling.session.RetryPause,dev.kindling.session.LostDeviceExit");
        assertThat(conf.get("spark.executorEnv.LC_ALL")).isEqualTo("C.UTF-8");
        assertThat(ExecutorDevice.cpuThreads(conf)).isEqualTo(4);
    }

    @Test
    void theUsersGarbageCollectorIsTheOnlyOne() {
        SparkConf conf = new SparkConf(false).set(SparkSettings.EMBEDDED, "true");
        SparkConf g1 = conf.clone().set("spark.executor.extraJavaOptions", "-Xss2m -XX:+UseG1GC");
        SparkSettings.forBarriers(g1, "train", 2, 0);
        assertThat(g1.contains("spark.executor.defaultJavaOptions")).isFalse();
        SparkSettings.forBarriers(conf, "train", 2, 0);
        assertThat(conf.get("spark.executor.defaultJavaOptions")).isEqualTo("-XX:+UseParallelGC");
    }

    @Test
    void executorsShareTheArchiveOfClassesUnlessTheUserSaysOtherwise() {
        SparkConf conf = new SparkConf(false)
                .set(SparkSettings.EMBEDDED, "true")
                .set(SparkSettings.CLASSES, "-XX:SharedArchiveFile=a");
        SparkConf theirs = conf.clone()
                .set("spark.executor.defaultJavaOptions", "-Xss2m")
                .set("spark.executor.extraClassPath", "their.jar");
        SparkConf watched = conf.clone().set("spark.executor.extraJavaOptions", "-javaagent:jmx.jar=9404");
        SparkSettings.forBarriers(watched, "train", 2, 0);
        assertThat(watched.get("spark.executor.defaultJavaOptions")).doesNotContain("SharedArchiveFile");
        SparkSettings.forBarriers(conf, "train", 2, 0);
        assertThat(conf.get("spark.executor.defaultJavaOptions"))
                .isEqualTo("-XX:+UseParallelGC -XX:SharedArchiveFile=a");
        assertThat(conf.get("spark.executor.extraClassPath")).endsWith("/jars/*");
        SparkSettings.forBarriers(theirs, "train", 2, 0);
        assertThat(theirs.get("spark.executor.defaultJavaOptions")).isEqualTo("-Xss2m");
        assertThat(theirs.get("spark.executor.extraClassPath")).isEqualTo("their.jar");
    }

    @Test
    void whatExcludesBarrierJobsIsRefused() {
        SparkConf dynamic = new SparkConf(false).setMaster("yarn").set("spark.dynamicAllocation.enabled", "true");
        assertThatThrownBy(() -> SparkSettings.forBarriers(dynamic, "train", 2, 0))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("--conf spark.dynamicAllocation.enabled=false");
        SparkConf gpu = new SparkConf(false).setMaster("local[2]").set("spark.executor.resource.gpu.amount", "1");
        assertThatThrownBy(() -> SparkSettings.forBarriers(gpu, "train", 2, 0))
                .hasMessageContaining("waits for ever for a GPU");
    }

    @Test
    void aJobWithoutBarriersGoesWithDynamicAllocation() {
        SparkConf dynamic = new SparkConf(false).setMaster("yarn").set("spark.dynamicAllocation.enabled", "true");
        SparkSettings.withoutBarriers(dynamic, "evaluate", 2, 0);
        assertThat(dynamic.get("spark.dynamicAllocation.enabled")).isEqualTo("true");
        assertThat(dynamic.get("spark.executor.instances")).isEqualTo("2"); // to begin with
        assertThat(dynamic.contains("spark.cores.max")).isFalse();
        SparkConf fixed = new SparkConf(false).setMaster("yarn");
        SparkSettings.withoutBarriers(fixed, "evaluate", 3, 0);
        assertThat(fixed.get("spark.executor.instances")).isEqualTo("3");
        assertThat(fixed.get("spark.cores.max")).isEqualTo("3");
        assertThat(fixed.contains("spark.scheduler.minRegisteredResourcesRatio"))
                .isFalse();
    }

    @Test
    void oneWorkerOwnsTheGpusOfAnEmbeddedCluster() {
        SparkConf conf =
                new SparkConf(false).set(SparkSettings.EMBEDDED, "true").set("spark.executor.memory", "1g");

        SparkSettings.forBarriers(conf, "train", 2, 2);

        assertThat(conf.get("spark.master")).isEqualTo("local-cluster[1,2,2048]");
        assertThat(conf.get("spark.worker.resource.gpu.amount")).isEqualTo("2");
        assertThat(conf.get("spark.executor.resource.gpu.amount")).isEqualTo("1");
        assertThat(new java.io.File(conf.get("spark.worker.resource.gpu.discoveryScript")).canExecute())
                .isTrue();
        assertThat(conf.get("spark.task.resource.gpu.amount")).isEqualTo("1.0");
        SparkConf crowded = new SparkConf(false).set(SparkSettings.EMBEDDED, "true");
        assertThatThrownBy(() -> SparkSettings.forBarriers(crowded, "train", 3, 2))
                .hasMessageContaining("this host has 2");
    }

    @Test
    void tasksWithoutBarriersShareTheGpusOfAnEmbeddedCluster() {
        SparkConf conf =
                new SparkConf(false).set(SparkSettings.EMBEDDED, "true").set("spark.executor.memory", "1g");

        SparkSettings.withoutBarriers(conf, "evaluate", 2, 2);

        assertThat(conf.get("spark.master")).isEqualTo("local-cluster[1,4,2048]");
        assertThat(conf.get("spark.executor.cores")).isEqualTo("2");
        assertThat(conf.get("spark.cores.max")).isEqualTo("4");
        assertThat(conf.get("spark.executor.resource.gpu.amount")).isEqualTo("1");
        assertThat(conf.get("spark.task.resource.gpu.amount")).isEqualTo("0.5");
        SparkConf cpu = new SparkConf(false).set(SparkSettings.EMBEDDED, "true").set("spark.executor.memory", "1g");
        SparkSettings.withoutBarriers(cpu, "evaluate", 2, 0);
        assertThat(cpu.get("spark.master")).isEqualTo("local-cluster[2,1,1024]");
    }

    private static SparkConf forBarriers(String... settings) {
        SparkConf conf = new SparkConf(false).setMaster("spark://h:7077");
        for (int i = 0; i < settings.length; i += 2) {
            conf.set(settings[i], settings[i + 1]);
        }
        return SparkSettings.forBarriers(conf, "train", 2, 0);
    }

    @Test
    void anExecutorHasOneRankWithAllItsCores() {
        SparkConf cores = forBarriers("spark.executor.cores", "4");
        assertThat(cores.get("spark.task.cpus")).isEqualTo("4");
        SparkConf cpus = forBarriers("spark.task.cpus", "2");
        assertThat(cpus.get("spark.executor.cores")).isEqualTo("2");
        assertThat(cpus.get("spark.cores.max")).isEqualTo("4");
        assertThatThrownBy(() -> forBarriers("spark.executor.cores", "4", "spark.task.cpus", "2"))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("spark.executor.cores=4 and spark.task.cpus=2 leave room for 2 ranks");
        for (String cpusOfATask : new String[] {"2", "0"}) {
            assertThatThrownBy(() -> forBarriers("spark.executor.cores", "1", "spark.task.cpus", cpusOfATask))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining("leave room for 0 ranks");
        }
    }

    @Test
    void sparkWaitsForExecutorsNoLongerThanForSlots() {
        String waiting = "spark.scheduler.maxRegisteredResourcesWaitingTime";
        assertThat(forBarriers(Limits.SLOTS, "2s").get(waiting)).isEqualTo("2000ms");
        assertThat(forBarriers(Limits.SLOTS, "5min").get(waiting)).isEqualTo("30000ms");
    }

    /** Masters, workers and shuffle services that are not ours have Spark's default, and versions must agree. */
    @Test
    void theVersionOfAuthenticationIsTheClustersWhereThereIsOne() {
        String version = "spark.network.crypto.authEngineVersion";
        assertThat(forBarriers().contains(version)).isFalse();
        assertThat(forBarriers(version, "2").get(version)).isEqualTo("2");
        assertThat(forBarriers(SparkSettings.EMBEDDED, "true").get(version)).isEqualTo("2");
        assertThat(forBarriers("spark.master", "k8s://https://h:6443").get(version))
                .isEqualTo("2");
    }

    @Test
    void recoveryDoesNotExhaustTheBudgetOfFailedExecutors() {
        String failures = "spark.executor.maxNumFailures";
        assertThat(forBarriers().get("spark.executor.failuresValidityInterval")).isEqualTo("1h");
        assertThat(forBarriers().get(failures)).isEqualTo("24");
        assertThat(forBarriers(failures, "3").get(failures)).isEqualTo("3");
        assertThat(forBarriers("spark.yarn.max.executor.failures", "5").get(failures))
                .isEqualTo("5");
    }
}
