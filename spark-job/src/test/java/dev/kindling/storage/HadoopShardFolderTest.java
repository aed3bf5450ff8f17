package dev.kindling.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.StoreException;
import java.io.EOFException;
import java.io.FileNotFoundException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Ranges of files on a store whose calls fail for a while. */
@Timeout(60)
class HadoopShardFolderTest {
    private static final int BYTES = 1_000;

    @TempDir
    Path folder;

    private byte[] content;
    private FaultyDisk disk;
    private HadoopShardFolder shards;

    @BeforeEach
    void write() throws Exception {
        content = new byte[BYTES];
        IntStream.range(0, BYTES).forEach(i -> content[i] = (byte) i);
        Files.write(folder.resolve("s.bin"), content);
        Configuration hadoop = new Configuration();
        disk = FaultyDisk.at(folder, hadoop);
        shards = new HadoopShardFolder(
                new Storage(disk, hadoop, FaultyDisk.BRIEF),
                new org.apache.hadoop.fs.Path(folder.toUri().getPath()));
    }

    private byte[] read(int position, int length) throws Exception {
        byte[] dst = new byte[length];
        shards.read("s.bin", BYTES, position, dst);
        return dst;
    }

    @Test
    void rangesAreReadAlsoThroughFaultsThatPass() throws Exception {
        for (FaultyDisk.Call call : new FaultyDisk.Call[] {FaultyDisk.Call.OPEN, FaultyDisk.Call.READ}) {
            disk.fail(call, 1);
            assertThat(read(300, 450)).isEqualTo(Arrays.copyOfRange(content, 300, 750));
            assertThat(read(0, BYTES)).isEqualTo(content);
            disk.fail(FaultyDisk.Call.READ, 1); // of a file that was open already
            assertThat(read(999, 1)).isEqualTo(new byte[] {content[999]});
            assertThat(disk.left(call)).isZero();
        }
        disk.fail(FaultyDisk.Call.READ, 1);
        disk.failWith(new EOFException("the connection has ended"));
        assertThat(read(5, 5)).isEqualTo(Arrays.copyOfRange(content, 5, 10));
    }

    @Test
    void aStoreThatStaysAwayIsNoDamage() {
        disk.fail(FaultyDisk.Call.READ, Integer.MAX_VALUE);
        assertThatThrownBy(() -> read(0, 10))
                .isInstanceOf(StoreException.class)
                .hasMessageContainingAll("s.bin", "503 Slow Down");
    }

    @Test
    void aFileThatIsTooShortOrGoneIsToldAtOnce() throws Exception {
        long began = System.nanoTime();
        assertThatThrownBy(() -> read(990, 11))
                .isInstanceOf(EndOfFileException.class)
                .hasMessageContaining("s.bin ends before byte 1001");
        Files.delete(folder.resolve("s.bin"));
        assertThatThrownBy(() -> shards.read("other.bin", BYTES, 0, new byte[1]))
                .isInstanceOf(FileNotFoundException.class);
        assertThat(System.nanoTime() - began)
                .as("no time is spent on trying again")
                .isLessThan(FaultyDisk.BRIEF.patience().toNanos());
    }
}
