package dev.kindling.input;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.hadoop.fs.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FileRangesTest {
    private static final Named NAMED = Named.data("/texts", Optional.empty(), Optional.empty());

    /** As {@code name:range}. */
    private static List<String> ranges(FileRanges ranges) {
        List<String> all = new ArrayList<>();
        for (FileRanges.Run run : ranges) {
            assertThat(run.file().uri()).isEqualTo("file:/texts/" + run.file().name());
            for (long range = run.first(); range < run.end(); range++) {
                assertThat(run.end(range))
                        .isBetween(run.begin(range), run.file().bytes());
                all.add(run.file().name() + ":" + range);
            }
        }
        return all;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 5, 8, 13})
    void slicesAreAllRangesOnceInTheirOrder(int tasks) {
        FileList files = FileList.below(
                NAMED,
                new Path("file:/texts"),
                new String[] {"a:b.txt", "c.txt", "d.gz", "e/f.txt", "g.txt"},
                new long[] {25, 0, 1_000, 10, 31});
        FileRanges all = FileRanges.of(files, 10);
        assertThat(ranges(all))
                .containsExactly(
                        "a:b.txt:0",
                        "a:b.txt:1",
                        "a:b.txt:2",
                        "c.txt:0",
                        "d.gz:0",
                        "e/f.txt:0",
                        "g.txt:0",
                        "g.txt:1",
                        "g.txt:2",
                        "g.txt:3");
        assertThat(all.count()).isEqualTo(10);
        List<FileRanges> slices = Stream.iterate(0, task -> task + 1)
                .limit(tasks)
                .map(task -> all.slice(10L * task / tasks, 10L * (task + 1) / tasks))
                .toList();
        assertThat(slices.stream().flatMap(slice -> ranges(slice).stream())).containsExactlyElementsOf(ranges(all));
        assertThat(slices.stream().mapToLong(FileRanges::count).sum()).isEqualTo(10);
    }
}
