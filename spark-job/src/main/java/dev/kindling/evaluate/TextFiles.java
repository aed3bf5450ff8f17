package dev.kindling.evaluate;

import dev.kindling.data.DataException;
import dev.kindling.prepare.CorpusListing;
import java.io.Serializable;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.stream.LongStream;

/**
 * Text files, each of them one document. Tasks take them in segments of {@value #SEGMENT_BYTES} bytes, so that a long
 * document is shared between tasks and never in memory as a whole.
 */
record TextFiles(String data, List<File> files) implements Serializable {
    /** Large enough that beginning a new window, and reading its context again, costs little. */
    static final int SEGMENT_BYTES = 1 << 17;

    record File(String name, String uri, long bytes) implements Serializable {
        long segments() {
            return Math.max(1, (bytes + SEGMENT_BYTES - 1) / SEGMENT_BYTES);
        }
    }

    /** @throws DataException if there are none */
    static TextFiles of(String data, List<CorpusListing.Found> found) {
        if (found.isEmpty()) {
            throw new DataException(
                    "--data %s holds no files (names that begin with . or _ are passed over); give text files or a table"
                            .formatted(data));
        }
        return new TextFiles(
                data,
                found.stream()
                        .map(file -> new File(
                                file.name(),
                                file.status().getPath().toString(),
                                file.status().getLen()))
                        .sorted(Comparator.comparing(File::name))
                        .toList());
    }

    long segments() {
        return files.stream().mapToLong(File::segments).sum();
    }

    /** The approximate mean length of windows of {@code block} tokens, by the sizes of the files. */
    int windowTokens(int block, int bytesPerToken) {
        long tokens = 0;
        long windows = 0;
        for (File file : files) {
            long own = Math.max(1, file.bytes() / bytesPerToken);
            tokens += own;
            windows += (own + block - 1) / block;
        }
        return (int) Math.max(1, tokens / windows);
    }

    /** The segments of task number {@code task} out of {@code tasks}. */
    Iterator<Passage> passages(int task, int tasks) {
        long all = segments();
        long from = all * task / tasks;
        long to = all * (task + 1) / tasks;
        long[] before = {0};
        return files.stream()
                .flatMap(file -> {
                    long first = before[0];
                    before[0] += file.segments();
                    long begin = Math.max(from, first);
                    long end = Math.min(to, before[0]);
                    return LongStream.range(begin, end)
                            .<Passage>mapToObj(segment -> new TextSegment(data, file, segment - first));
                })
                .iterator();
    }
}
