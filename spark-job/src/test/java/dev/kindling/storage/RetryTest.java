package dev.kindling.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.StoreException;
import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.ClusterStorageCapacityExceededException;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A store whose calls fail by count. */
class RetryTest {
    private static final Configuration HADOOP = new Configuration(false);

    @TempDir
    private java.nio.file.Path folder;

    private FaultyDisk disk;
    private Storage storage;
    private Path file;

    @BeforeEach
    void open() throws IOException {
        disk = FaultyDisk.at(folder, HADOOP);
        storage = new Storage(disk, HADOOP, FaultyDisk.BRIEF);
        file = new Path(folder.resolve("file").toString());
    }

    @ParameterizedTest
    @EnumSource(FaultyDisk.Call.class)
    void faultsThatPassAreNotNoticed(FaultyDisk.Call call) throws IOException {
        disk.fail(call, 2);
        storage.write(file, "before");
        storage.write(file, "after");
        assertThat(storage.read(file)).isEqualTo("after");
        assertThat(storage.files().exists(file)).isTrue();
        assertThat(storage.files().listStatus(new Path(folder.toString()))).hasSize(1);
        assertThat(storage.writeNew(new Path(file.getParent(), "new"), "mine")).isTrue();
        assertThat(storage.writeNew(new Path(file.getParent(), "new"), "another's"))
                .isFalse();
        assertThat(storage.files().delete(file, false)).isTrue();
        assertThat(disk.left(call)).isZero();
    }

    @Test
    void aListingThatBreaksOffBeginsAnew() throws IOException {
        for (String name : new String[] {"a", "b", "sub/c", "sub/deep/d"}) {
            storage.write(new Path(folder.toString(), name), name);
        }
        boolean[] failed = {false};
        List<String> names = FileListing.of(new Path(folder.toString()), storage, files -> {
            List<String> found = new ArrayList<>();
            while (files.hasNext()) {
                found.add(files.next().getPath().getName());
                if (!failed[0]) {
                    failed[0] = true;
                    disk.fail(FaultyDisk.Call.LIST, 1); // the next folder's
                }
            }
            return found;
        });
        assertThat(names).containsExactlyInAnyOrder("a", "b", "c", "d");
        assertThat(disk.left(FaultyDisk.Call.LIST)).isZero();
    }

    @Test
    void readingGoesOnAtTheByteWhereTheStoreFailed() throws IOException {
        byte[] bytes = new byte[5_000];
        new Random(7).nextBytes(bytes);
        Files.write(folder.resolve("file"), bytes);
        try (FSDataInputStream in = storage.files().open(file)) {
            byte[] read = new byte[bytes.length - 1_000];
            in.seek(1_000);
            for (int at = 0; at < read.length; at += 400) {
                disk.fail(FaultyDisk.Call.READ, at % 3);
                in.readFully(read, at, Math.min(400, read.length - at));
            }
            assertThat(read).isEqualTo(java.util.Arrays.copyOfRange(bytes, 1_000, bytes.length));
            disk.fail(FaultyDisk.Call.READ, 1);
            assertThat(in.read()).isEqualTo(-1);
            disk.fail(FaultyDisk.Call.READ, 1);
            in.readFully(10, read, 0, 50);
            assertThat(read).startsWith(java.util.Arrays.copyOfRange(bytes, 10, 60));
            assertThatThrownBy(() -> in.readFully(4_990, read, 0, 50)).isInstanceOf(EOFException.class);
        }
    }

    @Test
    void aFaultThatStaysIsNamedWithTheTimeThatWasTried() {
        disk.fail(FaultyDisk.Call.STATUS, Integer.MAX_VALUE);
        long began = System.nanoTime();
        assertThatThrownBy(() -> storage.files().exists(file))
                .isInstanceOf(StoreException.class)
                .hasMessageContainingAll("could not look at " + file, Retry.TIMEOUT, "IOException: 503 Slow Down");
        assertThat(Duration.ofNanos(System.nanoTime() - began)).isGreaterThan(Duration.ofSeconds(1));
    }

    @Test
    void whatNoWaitWouldChangeIsToldAtOnce() {
        Storage endless = new Storage(disk, HADOOP, new Retry(Duration.ofDays(1)));
        assertThatThrownBy(() -> endless.read(file)).isInstanceOf(FileNotFoundException.class);
    }

    @Test
    void aQuotaIsTheOneReasonThatIsToldThoughClosingThrowsItOnceMore() throws IOException {
        disk.failWith(new ClusterStorageCapacityExceededException("The DiskSpace quota of /user is exceeded"));
        disk.fail(FaultyDisk.Call.WRITE, 1);
        disk.fail(FaultyDisk.Call.CLOSE, 1);
        Storage endless = new Storage(disk, HADOOP, new Retry(Duration.ofDays(1)));
        assertThatThrownBy(() -> endless.write(file, "text"))
                .isInstanceOf(NoSpaceException.class)
                .hasMessageContainingAll("The DiskSpace quota of /user is exceeded", "free space there");
        assertThat(folder).isEmptyDirectory();
    }
}
