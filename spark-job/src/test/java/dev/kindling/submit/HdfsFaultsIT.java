package dev.kindling.submit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.job.CommandRuns;
import java.io.IOException;
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
 * Faults of HDFS in the middle of a training from YARN's client mode: those that pass cost time, and a used-up quota ends it
 * in one line.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(400)
class HdfsFaultsIT {
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
        cluster.assertEndsWell("calm", train("calm", "/calm"));
        assertThat(cluster.out("calm")).content().contains("--- a sample ---", "on 2 executor(s)");
    }

    @AfterAll
    void stopCluster() throws Exception {
        if (cluster != null) {
            cluster.close();
        }
    }

    private Process train(String name, String run, String... more) throws IOException {
        List<String> options = new ArrayList<>(
                List.of("--set", "train.max_steps=" + STEPS, "--set", "checkpoint.interval=" + CHECKPOINTS_APART));
        options.addAll(List.of(more));
        return cluster.submit(
                name,
                "client",
                CommandRuns.trainArguments(cluster.at(run), cluster.at("/corpus.txt"), options.toArray(String[]::new)));
    }

    /** Steps that the run's newest checkpoint has done; a run cannot end while none can be written. */
    private boolean hasCheckpointAfter(String run, int step) throws IOException {
        return cluster.newestCheckpoint(run) > step;
    }

    @Test
    void aUsedUpQuotaEndsARunThatResumesThroughALostDataNodeAndAnAbsentNameNode() throws Exception {
        String run = "/within/run";
        endByAQuota(run);
        Process driver = train("resumed", run, "--resume");
        disturb(run, driver);
        cluster.assertEndsWell("resumed", driver);
        cluster.tell("start-datanode");
        assertThat(cluster.losses(run)).isEqualTo(cluster.losses("/calm"));
        String weights = "/checkpoints/step-000" + STEPS + "/model.safetensors";
        assertThat(cluster.bytes(run + weights)).isEqualTo(cluster.bytes("/calm" + weights));
    }

    private void endByAQuota(String run) throws Exception {
        org.apache.hadoop.fs.Path limited = new org.apache.hadoop.fs.Path("/within");
        Process driver = train("limited", run);
        cluster.await("limited", () -> hasCheckpointAfter(run, 0));
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

    private void disturb(String run, Process driver) throws Exception {
        int before = cluster.newestCheckpoint(run);
        cluster.await("resumed", () -> hasCheckpointAfter(run, before));
        cluster.tell("stop-datanode");
        int then = cluster.newestCheckpoint(run);
        cluster.await("resumed", () -> hasCheckpointAfter(run, then + CHECKPOINTS_APART));

        cluster.tell("stop-namenode");
        TimeUnit.SECONDS.sleep(NAME_NODE_GONE_SECONDS);
        cluster.tell("start-namenode");
        int later = cluster.newestCheckpoint(run);
        cluster.await("resumed", () -> hasCheckpointAfter(run, later + CHECKPOINTS_APART));

        cluster.files().setSafeMode(SafeModeAction.ENTER);
        TimeUnit.SECONDS.sleep(SAFE_MODE_SECONDS);
        assertThat(driver.isAlive()).isTrue();
        cluster.files().setSafeMode(SafeModeAction.LEAVE);
    }
}
