package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.job.CommandRuns;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.fs.SafeModeAction;
import org.apache.hadoop.hdfs.protocol.HdfsConstants;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The application jar by plain spark-submit on YARN, in client and in cluster mode, with all its files on HDFS. Trainings that
 * lose their driver or their file system on the way are compared with one that is undisturbed.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(400)
class HadoopIT {
    private static final int STEPS = 1500;
    private static final int CHECKPOINTS_APART = 50;
    private static final int NAME_NODE_GONE_SECONDS = 20;
    private static final int SAFE_MODE_SECONDS = 5;

    @TempDir
    private static Path folder;

    private HadoopCluster cluster;

    @BeforeAll
    void startClusterAndTrainUndisturbed() throws Exception {
        cluster = new HadoopCluster(folder);
        cluster.put(CommandRuns.writeCorpus(folder.resolve("corpus.txt")), "/corpus.txt");
        cluster.assertEndsWell("undisturbed", train("undisturbed", "client", "/undisturbed"));
        assertThat(cluster.out("undisturbed")).content().contains("--- a sample ---", "on 2 executor(s)");
    }

    @AfterAll
    void stopCluster() throws Exception {
        if (cluster != null) {
            cluster.close();
        }
    }

    private Process train(String name, String deployMode, String run, String... more) throws IOException {
        List<String> options = new ArrayList<>(
                List.of("--set", "train.max_steps=" + STEPS, "--set", "checkpoint.interval=" + CHECKPOINTS_APART));
        options.addAll(List.of(more));
        return cluster.submit(
                name,
                deployMode,
                CommandRuns.trainArguments(cluster.at(run), cluster.at("/corpus.txt"), options.toArray(String[]::new)));
    }

    /** The run is whole, and to the bit the undisturbed one. */
    private void assertUndisturbed(String run) throws IOException {
        assertThat(cluster.losses(run)).hasSize(STEPS).isEqualTo(cluster.losses("/undisturbed"));
        String weights = "/checkpoints/step-000" + STEPS + "/model.safetensors";
        assertThat(cluster.bytes(run + weights)).isEqualTo(cluster.bytes("/undisturbed" + weights));
        assertThat(cluster.exists(run + "/summary.json")).isTrue();
        assertThat(cluster.exists(run + "/.owner")).isFalse();
    }

    @Test
    void evaluatesInClusterMode() throws Exception {
        Process evaluation = cluster.submit(
                "evaluate",
                "cluster",
                "evaluate",
                "--checkpoint",
                cluster.at("/undisturbed"),
                "--data",
                cluster.at("/corpus.txt"),
                "--out",
                cluster.at("/scores"));
        cluster.assertEndsWell("evaluate", evaluation);
        assertThat(new String(cluster.bytes("/scores/summary.json"), StandardCharsets.UTF_8))
                .contains("\"loss\"");
    }

    /** The driver needs no executors for it, and YARN an application of every driver. */
    @Test
    void generatesInClusterMode() throws Exception {
        Process generation = cluster.submit(
                "generate",
                "cluster",
                "generate",
                "--checkpoint",
                cluster.at("/undisturbed"),
                "--prompt",
                "ROMEO:",
                "--max-tokens",
                "20");
        assertThat(cluster.assertEndsWell("generate", generation)).contains("ROMEO:");
    }

    @Test
    void aSecondAttemptGoesOnFromTheLastStepOfAKilledApplicationMaster() throws Exception {
        Process submit = train("killed", "cluster", "/killed");
        cluster.await("killed", () -> cluster.newestCheckpoint("/killed") > 0);
        List<ProcessHandle> masters = cluster.applicationMasters();
        assertThat(masters).hasSize(1);
        masters.get(0).destroyForcibly();
        assertThat(cluster.assertEndsWell("killed", submit))
                .contains("going on with the run at " + cluster.at("/killed"))
                .containsPattern("kindling: step \\d+ was saved by executors whose driver was gone")
                .contains("--- a sample ---", "on 2 executor(s)");
        assertUndisturbed("/killed");
    }

    @Test
    void aUsedUpQuotaEndsARunThatResumesThroughALostDataNodeAndAnAbsentNameNode() throws Exception {
        String run = "/within/run";
        endByAQuota(run);
        Process driver = train("resumed", "client", run, "--resume");
        disturb(run, driver);
        cluster.assertEndsWell("resumed", driver);
        cluster.tell("start-datanode");
        assertUndisturbed(run);
    }

    private void endByAQuota(String run) throws Exception {
        org.apache.hadoop.fs.Path limited = new org.apache.hadoop.fs.Path("/within");
        Process driver = train("limited", "client", run);
        cluster.await("limited", () -> cluster.newestCheckpoint(run) > 0);
        long used = cluster.files().getContentSummary(limited).getSpaceConsumed();
        cluster.files().setQuota(limited, HdfsConstants.QUOTA_DONT_SET, used);
        assertThat(driver.waitFor(3, TimeUnit.MINUTES)).isTrue();
        String err = Files.readString(cluster.err("limited"));
        assertThat(driver.exitValue()).as(err).isEqualTo(1);
        assertThat(err.lines().filter(line -> line.startsWith("kindling: ")))
                .last()
                .asString()
                .containsIgnoringCase("quota");
        cluster.files().setQuota(limited, HdfsConstants.QUOTA_DONT_SET, HdfsConstants.QUOTA_RESET);
    }

    /** Each fault comes when a checkpoint has been committed since the one before: a run cannot end while none can be written. */
    private void disturb(String run, Process driver) throws Exception {
        awaitCheckpointAfter(run, cluster.newestCheckpoint(run));
        cluster.tell("stop-datanode");
        awaitCheckpointAfter(run, cluster.newestCheckpoint(run) + CHECKPOINTS_APART);

        cluster.tell("stop-namenode");
        TimeUnit.SECONDS.sleep(NAME_NODE_GONE_SECONDS);
        cluster.tell("start-namenode");
        awaitCheckpointAfter(run, cluster.newestCheckpoint(run) + CHECKPOINTS_APART);

        cluster.files().setSafeMode(SafeModeAction.ENTER);
        TimeUnit.SECONDS.sleep(SAFE_MODE_SECONDS);
        assertThat(driver.isAlive()).isTrue();
        cluster.files().setSafeMode(SafeModeAction.LEAVE);
    }

    private void awaitCheckpointAfter(String run, int step) throws Exception {
        cluster.await("resumed", () -> cluster.newestCheckpoint(run) > step);
    }
}
