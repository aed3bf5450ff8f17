package dev.kindling.session;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.spark.scheduler.cluster.StandaloneSchedulerBackend;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import scala.runtime.AbstractFunction1;
import scala.runtime.BoxedUnit;

@Timeout(60)
class EmbeddedClusterStopTest {
    @TempDir
    private File folder;

    private final CompletableFuture<Boolean> stoppedBefore = new CompletableFuture<>();

    private void stop(File executor, long mostMillis) {
        new EmbeddedClusterStop(List.of(folder), mostMillis, new AbstractFunction1<>() {
                    @Override
                    public BoxedUnit apply(StandaloneSchedulerBackend backend) {
                        stoppedBefore.complete(executor.exists());
                        return BoxedUnit.UNIT;
                    }
                })
                .apply(null);
    }

    @Test
    void workersStopWhenTheyHaveDeletedWhatExecutorsLeft() throws Exception {
        File executor = new File(folder, "executor-7f3a");
        assertThat(executor.mkdir()).isTrue();
        CompletableFuture<Boolean> deleted = CompletableFuture.supplyAsync(
                executor::delete, CompletableFuture.delayedExecutor(200, TimeUnit.MILLISECONDS));
        stop(executor, 600_000);
        assertThat(stoppedBefore.get()).isFalse();
        assertThat(deleted.get()).isTrue();
    }

    @Test
    void theyStopInTheEndAnyway() throws Exception {
        File executor = new File(folder, "executor-7f3a");
        assertThat(executor.mkdir()).isTrue();
        stop(executor, 10);
        assertThat(stoppedBefore.get()).isTrue();
    }
}
