package dev.kindling.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.kindling.storage.FaultyDisk;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.LongStream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** metrics.jsonl on a store that fails for a while. */
class OutageTest {
    private static final Configuration HADOOP = new Configuration(false);

    @TempDir
    private Path run;

    private FaultyDisk disk;
    private MetricsLog log;

    @BeforeEach
    void open() throws IOException {
        disk = FaultyDisk.at(run, HADOOP);
        log = new MetricsLog(
                new Storage(disk, HADOOP, FaultyDisk.BRIEF),
                new org.apache.hadoop.fs.Path(run.resolve("metrics.jsonl").toString()));
    }

    private void append(long from, long to) {
        LongStream.rangeClosed(from, to)
                .forEach(step -> log.append(new StepMetrics(
                        step,
                        4,
                        1e-3,
                        1,
                        1,
                        List.of(1.0),
                        1,
                        step % 5 == 0 ? OptionalDouble.of(2) : OptionalDouble.empty(),
                        List.of(new RankTimes(1, 1, 1)))));
    }

    private List<Integer> steps() throws IOException {
        ObjectMapper json = new ObjectMapper();
        return Files.readAllLines(run.resolve("metrics.jsonl")).stream()
                .map(line -> {
                    try {
                        return json.readTree(line).get("step").asInt();
                    } catch (IOException e) {
                        throw new AssertionError(e);
                    }
                })
                .toList();
    }

    private static Integer[] upTo(int last) {
        return LongStream.rangeClosed(1, last).mapToObj(step -> (int) step).toArray(Integer[]::new);
    }

    @ParameterizedTest
    @EnumSource(
            value = FaultyDisk.Call.class,
            names = {"WRITE", "CREATE", "OPEN", "READ"})
    void everyStepIsThereOnceWhenTheStoreIsBack(FaultyDisk.Call call) throws IOException {
        log.restart(0);
        append(1, 12);
        disk.fail(FaultyDisk.Call.WRITE, 1);
        disk.fail(call, Integer.MAX_VALUE);
        append(13, 20);
        log.flush();
        disk.fail(FaultyDisk.Call.WRITE, 0);
        disk.fail(call, 0);
        append(21, 23);
        log.close();
        assertThat(steps()).containsExactly(upTo(23));
    }

    @Test
    void whatAnOutageHeldBackIsThereAfterAResume() throws IOException {
        log.restart(0);
        append(1, 10);
        disk.fail(FaultyDisk.Call.WRITE, Integer.MAX_VALUE);
        append(11, 30);
        log.restart(25); // the next generation begins at the checkpoint of step 25
        disk.fail(FaultyDisk.Call.WRITE, 0);
        append(26, 40);
        log.close();
        assertThat(steps()).containsExactly(upTo(40));
    }

    @Test
    void aStoreThatStaysAwayEndsNothing() throws IOException {
        log.restart(0);
        append(1, 10);
        disk.fail(FaultyDisk.Call.WRITE, Integer.MAX_VALUE);
        append(11, 20);
        log.close();
        assertThat(steps()).containsExactly(upTo(10));
    }
}
