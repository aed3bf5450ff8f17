package dev.kindling.session;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.coordinate.EmbeddedCluster;
import dev.kindling.device.cuda.library.CudaCall;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.spark.TaskContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A task of evaluate or generate that meets an error after which its process can do nothing more on the GPU. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class LostDeviceExitTest {
    @TempDir
    private Path folder;

    private EmbeddedCluster cluster;

    @BeforeAll
    void start() {
        cluster = new EmbeddedCluster(1, Map.of());
    }

    @AfterAll
    void stop() {
        cluster.close();
    }

    @Test
    void theTasksExecutorEndsAndTheNextAttemptGetsAnother() throws Exception {
        String folder = this.folder.toString();
        PrintStream console = System.err;
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        System.setErr(new PrintStream(said, true, StandardCharsets.UTF_8));
        List<Long> second;
        try {
            second = cluster.sc()
                    .parallelize(List.of(0), 1)
                    .map(ignored -> {
                        long pid = ProcessHandle.current().pid();
                        Files.writeString(
                                Path.of(folder, "attempt-" + TaskContext.get().attemptNumber()), "" + pid);
                        if (TaskContext.get().attemptNumber() == 0) {
                            CudaCall.check(719, "finish the work on GPU 0");
                        }
                        return pid;
                    })
                    .collect();
        } finally {
            System.setErr(console);
        }
        long lost = Long.parseLong(Files.readString(Path.of(folder, "attempt-0")));
        assertThat(second).hasSize(1).doesNotContain(lost);
        assertThat(Path.of(folder, "attempt-1")).as("the second attempt").hasContent("" + second.get(0));
        ProcessHandle.of(lost).ifPresent(process -> assertThat(process.onExit()).succeedsWithin(120, TimeUnit.SECONDS));
        assertThat(said.toString(StandardCharsets.UTF_8))
                .containsOnlyOnce("kindling: executor ")
                .contains("has lost its device and ends: ")
                .contains("could not finish the work on GPU 0: CUDA_ERROR_LAUNCH_FAILED (719)");
    }

    @Test
    void anErrorThatAProcessOutlivesLeavesItsExecutorAlive() {
        List<Long> pids = cluster.sc()
                .parallelize(List.of(0, 1), 2)
                .map(index -> {
                    if (index == 0 && TaskContext.get().attemptNumber() == 0) {
                        CudaCall.check(2, "allocate 7 bytes");
                    }
                    return ProcessHandle.current().pid();
                })
                .collect();
        assertThat(pids).hasSize(2);
        assertThat(pids.get(0)).isEqualTo(pids.get(1));
    }
}
