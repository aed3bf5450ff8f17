package dev.kindling.session;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.coordinate.EmbeddedCluster;
import dev.kindling.device.cuda.library.CudaCall;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.apache.spark.TaskContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
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
        String first = folder.resolve("first").toString();
        Queue<String> failures = new ConcurrentLinkedQueue<>();
        cluster.sc().sc().addSparkListener(new SparkListener() {
            @Override
            public void onTaskEnd(SparkListenerTaskEnd task) {
                failures.add(task.reason().toString());
            }
        });
        List<Long> second = cluster.sc()
                .parallelize(List.of(0), 1)
                .map(ignored -> {
                    long pid = ProcessHandle.current().pid();
                    if (TaskContext.get().attemptNumber() == 0) {
                        Files.writeString(Path.of(first), "" + pid);
                        CudaCall.check(719, "finish the work on GPU 0");
                    }
                    return pid;
                })
                .collect();
        long lost = Long.parseLong(Files.readString(Path.of(first)));
        assertThat(second).hasSize(1).doesNotContain(lost);
        ProcessHandle.of(lost).ifPresent(process -> assertThat(process.onExit()).succeedsWithin(120, TimeUnit.SECONDS));
        assertThat(failures.peek()).contains("could not finish the work on GPU 0: CUDA_ERROR_LAUNCH_FAILED (719)");
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
