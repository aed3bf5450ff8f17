package dev.kindling.doctor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.doctor.Finding.Verdict;
import java.util.List;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DriverChecksTest {
    private static List<Finding> check(String master, String version, String... settings) {
        SparkConf conf = new SparkConf(false);
        for (String setting : settings) {
            String[] parts = setting.split("=", 2);
            conf.set(parts[0], parts[1]);
        }
        return DriverChecks.check(conf, master, version);
    }

    private static Finding only(List<Finding> findings, String check) {
        return findings.stream()
                .filter(finding -> finding.check().equals(check))
                .reduce((a, b) -> {
                    throw new AssertionError("two findings of " + check);
                })
                .orElseThrow();
    }

    @Test
    void kindlingsOwnSettingsAreWell() {
        List<Finding> findings = check(
                "local-cluster[2,1,1024]",
                "4.2.0",
                "spark.executor.cores=1",
                "spark.scheduler.barrier.maxConcurrentTasksCheck.interval=1s");
        assertThat(findings).extracting(Finding::verdict).containsOnly(Verdict.OK);
        assertThat(findings).extracting(Finding::fix).containsOnly("");
    }

    @Test
    void whatKeepsRanksFromStartingFails() {
        assertThat(only(check("yarn", "4.2.0", "spark.executor.cores=2", "spark.task.cpus=4"), "cores"))
                .extracting(Finding::verdict, Finding::fix)
                .containsExactly(Verdict.FAIL, "no task fits an executor: set spark.task.cpus to 2 or less");
        assertThat(only(check("yarn", "3.5.1"), "spark").verdict()).isEqualTo(Verdict.FAIL);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "spark.network.crypto.enabled",
                "spark.ssl.rpc.enabled",
                "spark.authenticate.enableSaslEncryption"
            })
    void everyWayOfEncryptingCounts(String way) {
        assertThat(only(check("spark://h:7077", "4.2.0", "spark.authenticate=true", way + "=true"), "security"))
                .extracting(Finding::verdict, Finding::found)
                .containsExactly(Verdict.OK, "spark.authenticate true, " + way + " true");
    }

    @Test
    void sharedExecutorsOpenPortsAndSlowRestartsAreWarnedOf() {
        List<Finding> findings = check("spark://h:7077", "4.2.0", "spark.executor.cores=4", "spark.authenticate=true");
        assertThat(only(findings, "cores").fix()).contains("spark.task.cpus=4");
        assertThat(only(findings, "security").fix()).contains("in the clear");
        assertThat(only(findings, "slot check").found()).contains("15 s");
        assertThat(findings).extracting(Finding::verdict).doesNotContain(Verdict.FAIL);
        assertThat(only(check("spark://h:7077", "4.2.0"), "security").fix()).contains("spark.authenticate=true");
    }
}
