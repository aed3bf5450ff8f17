package dev.kindling.run;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunLockTest {
    @TempDir
    Path run;

    @Test
    void oneHolderAtATime() throws IOException {
        RunLock first = take().orElseThrow();
        assertThat(take()).isEmpty();
        first.close();
        take().orElseThrow().close();
    }

    @Test
    void whoOpenedTheFileUnderTheLastTrainingHasTheNextOnesLock() throws IOException {
        RunLock first = take().orElseThrow();
        try (FileChannel second =
                FileChannel.open(run.resolve(".lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            first.close();
            assertThat(second.tryLock()).isNotNull();

            assertThat(take()).isEmpty();
        }
        take().orElseThrow().close();
    }

    private Optional<RunLock> take() throws IOException {
        return RunLock.take(new org.apache.hadoop.fs.Path(run.toUri()));
    }
}
