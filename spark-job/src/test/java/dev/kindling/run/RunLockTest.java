package dev.kindling.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.config.ConfigException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunLockTest {
    @TempDir
    Path run;

    @Test
    void oneTrainingAtATime() throws IOException {
        try (RunLock first = take()) {
            assertThatThrownBy(this::take)
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining("another training is writing to");
        }
        take().close();
    }

    @Test
    void whoOpenedTheFileUnderTheLastTrainingHasTheNextOnesLock() throws IOException {
        RunLock first = take();
        try (FileChannel second =
                FileChannel.open(run.resolve(".lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            first.close();
            assertThat(second.tryLock()).isNotNull();

            assertThatThrownBy(this::take).isInstanceOf(ConfigException.class);
        }
        take().close();
    }

    @Test
    void elsewhereThanOnALocalDiskThereIsNone() throws IOException {
        assertThat(RunLock.take(new org.apache.hadoop.fs.Path("hdfs://host/run")))
                .isNull();
    }

    private RunLock take() throws IOException {
        return RunLock.take(new org.apache.hadoop.fs.Path(run.toUri()));
    }
}
