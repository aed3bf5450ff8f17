package dev.kindling.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.config.ConfigException;
import dev.kindling.model.ExecutorDevice;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;

class SparkSessionsTest {
    private final SparkSessions sessions = new SparkSessions(conf -> conf.set("spark.plugins", "p"));

    @Test
    void anEmbeddedClusterHasAProcessForEachExecutor() {
        SparkConf conf =
                new SparkConf(false).set(SparkSessions.EMBEDDED, "true").set("spark.executor.memory", "1g");

        sessions.configure(conf, "train", 3, 0);

        assertThat(conf.get("spark.master")).isEqualTo("local-cluster[3,1,1024]");
        assertThat(conf.get("spark.cores.max")).isEqualTo("3");
        assertThat(conf.get("spark.plugins")).isEqualTo("p");
        assertThat(conf.get("spark.kryo.registrationRequired")).isEqualTo("true");
        assertThat(ExecutorDevice.cpuThreads(conf)).isPositive();
    }

    @Test
    void whatTheUserSetStays() {
        SparkConf conf = new SparkConf(false)
                .setMaster("spark://h:7077")
                .set("spark.executor.cores", "4")
                .set("spark.ui.showConsoleProgress", "true");

        sessions.configure(conf, "train", 2, 0);

        assertThat(conf.get("spark.master")).isEqualTo("spark://h:7077");
        assertThat(conf.get("spark.cores.max")).isEqualTo("8");
        assertThat(conf.get("spark.ui.showConsoleProgress")).isEqualTo("true");
        assertThat(ExecutorDevice.cpuThreads(conf)).isEqualTo(4);
    }

    @Test
    void whatExcludesBarrierJobsIsRefused() {
        SparkConf dynamic = new SparkConf(false).setMaster("yarn").set("spark.dynamicAllocation.enabled", "true");
        assertThatThrownBy(() -> sessions.configure(dynamic, "train", 2, 0))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("--conf spark.dynamicAllocation.enabled=false");
        SparkConf gpu = new SparkConf(false).setMaster("local[2]").set("spark.executor.resource.gpu.amount", "1");
        assertThatThrownBy(() -> sessions.configure(gpu, "train", 2, 0))
                .hasMessageContaining("waits for ever for a GPU");
    }

    @Test
    void aJobWithoutBarriersGoesWithDynamicAllocation() {
        SparkConf dynamic = new SparkConf(false).setMaster("yarn").set("spark.dynamicAllocation.enabled", "true");
        sessions.configureElastic(dynamic, "evaluate", 2, 0);
        assertThat(dynamic.contains("spark.executor.instances")).isFalse();
        assertThat(dynamic.contains("spark.cores.max")).isFalse();
        SparkConf fixed = new SparkConf(false).setMaster("yarn");
        sessions.configureElastic(fixed, "evaluate", 3, 0);
        assertThat(fixed.get("spark.executor.instances")).isEqualTo("3");
        assertThat(fixed.contains("spark.scheduler.minRegisteredResourcesRatio"))
                .isFalse();
    }

    @Test
    void oneWorkerOwnsTheGpusOfAnEmbeddedCluster() {
        SparkConf conf =
                new SparkConf(false).set(SparkSessions.EMBEDDED, "true").set("spark.executor.memory", "1g");

        sessions.configure(conf, "train", 2, 2);

        assertThat(conf.get("spark.master")).isEqualTo("local-cluster[1,2,2048]");
        assertThat(conf.get("spark.worker.resource.gpu.amount")).isEqualTo("2");
        assertThat(conf.get("spark.executor.resource.gpu.amount")).isEqualTo("1");
        assertThat(new java.io.File(conf.get("spark.worker.resource.gpu.discoveryScript")).canExecute())
                .isTrue();
        assertThat(conf.get("spark.task.resource.gpu.amount")).isEqualTo("1.0");
        SparkConf crowded = new SparkConf(false).set(SparkSessions.EMBEDDED, "true");
        assertThatThrownBy(() -> sessions.configure(crowded, "train", 3, 2)).hasMessageContaining("this host has 2");
    }

    @Test
    void tasksWithoutBarriersShareTheGpusOfAnEmbeddedCluster() {
        SparkConf conf =
                new SparkConf(false).set(SparkSessions.EMBEDDED, "true").set("spark.executor.memory", "1g");

        sessions.configureElastic(conf, "evaluate", 2, 2);

        assertThat(conf.get("spark.master")).isEqualTo("local-cluster[1,4,2048]");
        assertThat(conf.get("spark.executor.cores")).isEqualTo("2");
        assertThat(conf.get("spark.cores.max")).isEqualTo("4");
        assertThat(conf.get("spark.executor.resource.gpu.amount")).isEqualTo("1");
        assertThat(conf.get("spark.task.resource.gpu.amount")).isEqualTo("0.5");
        SparkConf cpu = new SparkConf(false).set(SparkSessions.EMBEDDED, "true").set("spark.executor.memory", "1g");
        sessions.configureElastic(cpu, "evaluate", 2, 0);
        assertThat(cpu.get("spark.master")).isEqualTo("local-cluster[2,1,1024]");
    }
}
