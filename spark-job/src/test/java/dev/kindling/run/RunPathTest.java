package dev.kindling.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.storage.PathException;
import java.io.File;
import java.io.IOException;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RunPathTest {
    private final Configuration hadoop = new Configuration();

    @ParameterizedTest
    @ValueSource(strings = {"runs/a", "run_12:30:05", "run-12:30:05", "a b", "x[1]", "a,b", "a%20b", "runs/12:30/x"})
    void aNameIsANameWhateverItHolds(String name) throws IOException {
        Path path = RunPath.absolute(name, hadoop);
        assertThat(new File(path.toUri().getPath())).isEqualTo(new File(name).getAbsoluteFile());
        assertThat(path.toUri().getScheme()).isEqualTo("file");
    }

    @Test
    void aSchemeWithAPathIsAUri() throws IOException {
        assertThat(RunPath.absolute("file:/runs/a:b", hadoop)).hasToString("file:/runs/a:b");
        assertThatThrownBy(() -> RunPath.absolute("abfss://bucket/run", hadoop))
                .isInstanceOf(PathException.class)
                .hasMessageContaining("no file system for abfss:")
                .hasMessageContaining("org.apache.hadoop:hadoop-aws:");
        assertThatThrownBy(() -> RunPath.absolute("nosuch://bucket/run", hadoop))
                .isInstanceOf(PathException.class);
    }

    @Test
    void aChildMayHoldColons() {
        assertThat(RunPath.child(new Path("file:/runs"), ".run_12:30:05.part"))
                .hasToString("file:/runs/.run_12:30:05.part");
    }
}
