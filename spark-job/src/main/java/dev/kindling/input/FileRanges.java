package dev.kindling.input;

import java.io.Serializable;
import java.util.Arrays;
import java.util.Iterator;
import java.util.NoSuchElementException;

/**
 * Files in ranges of a number of bytes, which are counted over all of them: what can be divided among tasks. A compressed
 * file is one range.
 */
public final class FileRanges implements Iterable<FileRanges.Run>, Serializable {
    private static final long serialVersionUID = 1L;

    private final FileList files;
    private final long rangeBytes;
    /** Ranges of the first file before these. */
    private final long skipped;

    private final long count;
    /** The number of the first range of each file, and the number of all; only where they are divided. */
    private transient long[] starts;

    private FileRanges(FileList files, long rangeBytes, long skipped, long count) {
        this.files = files;
        this.rangeBytes = rangeBytes;
        this.skipped = skipped;
        this.count = count;
    }

    /** All ranges of files. */
    public static FileRanges of(FileList files, long rangeBytes) {
        long[] starts = new long[files.size() + 1];
        for (int file = 0; file < files.size(); file++) {
            starts[file + 1] = starts[file] + ranges(files, file, rangeBytes);
        }
        FileRanges all = new FileRanges(files, rangeBytes, 0, starts[files.size()]);
        all.starts = starts;
        return all;
    }

    private static long ranges(FileList files, int file, long rangeBytes) {
        return InputFile.ranges(files.name(file), files.bytes(file), rangeBytes);
    }

    /**
     * Consecutive ranges of a file.
     *
     * @param first the first one's number in the file
     * @param end the number after the last one's
     * @param rangeBytes of each but the file's last
     */
    public record Run(InputFile file, long first, long end, long rangeBytes) {
        /** The byte of the file at which a range begins. */
        public long begin(long range) {
            return range * rangeBytes;
        }

        /** The byte of the file at which a range ends. */
        public long end(long range) {
            return range + 1 == file.ranges(rangeBytes) ? file.bytes() : (range + 1) * rangeBytes;
        }

        /** The byte of the file at which the first of them begins. */
        public long beginByte() {
            return begin(first);
        }

        /** The byte of the file at which the last of them ends. */
        public long endByte() {
            return end(end - 1);
        }
    }

    /** How many there are. */
    public long count() {
        return count;
    }

    /** The ranges {@code [from, to)} of all, without the files of others. */
    public FileRanges slice(long from, long to) {
        if (from >= to) {
            return new FileRanges(files.subList(0, 0), rangeBytes, 0, 0);
        }
        int first = fileOf(from);
        return new FileRanges(files.subList(first, fileOf(to - 1) + 1), rangeBytes, from - starts[first], to - from);
    }

    private int fileOf(long range) {
        int found = Arrays.binarySearch(starts, range);
        return found >= 0 ? found : -found - 2;
    }

    /** File by file. */
    @Override
    public Iterator<Run> iterator() {
        return new Iterator<>() {
            private int file;
            private long first = skipped;
            private long left = count;

            @Override
            public boolean hasNext() {
                return left > 0;
            }

            @Override
            public Run next() {
                if (!hasNext()) {
                    throw new NoSuchElementException("there is no further file");
                }
                long end = Math.min(first + left, ranges(files, file, rangeBytes));
                Run run = new Run(files.get(file++), first, end, rangeBytes);
                left -= end - first;
                first = 0;
                return run;
            }
        };
    }
}
