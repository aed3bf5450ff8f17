package dev.kindling.prepare;

import dev.kindling.data.DataException;
import dev.kindling.data.corpus.Document;
import dev.kindling.data.corpus.ShakespeareCorpus;
import dev.kindling.data.token.TextCuts;
import dev.kindling.input.FileRanges;
import dev.kindling.input.Named;
import dev.kindling.input.TextInput;
import java.io.Serializable;
import java.util.List;
import java.util.PrimitiveIterator;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.apache.hadoop.conf.Configuration;

/** Consecutive parts of a corpus: what a task reads, or all. Of files they are made as they are asked for. */
sealed interface CorpusParts extends Serializable {
    long count();

    Stream<CorpusPart> parts();

    /** The parts {@code [from, to)}. */
    CorpusParts slice(long from, long to);

    /**
     * The parts of a corpus, in its order.
     *
     * @param cuts of the tokenizer
     * @throws DataException if it cannot be listed
     */
    static CorpusParts of(Named corpus, TextCuts cuts, Configuration hadoop) {
        if (corpus.path().equals(ShakespeareCorpus.ID)) {
            try (Stream<Document> scenes = new ShakespeareCorpus().documents()) {
                return new Scenes(scenes.map(CorpusPart.Scene::new).toList());
            }
        }
        return new Ranges(FileRanges.of(TextInput.of(corpus, hadoop).files(), CorpusPart.RANGE_BYTES), cuts);
    }

    /** Of reading them, in bytes. */
    default long cost() {
        return parts().mapToLong(CorpusPart::cost).sum();
    }

    /** Runs of parts, as many as there are tasks, of which each has about as much to read. */
    default Stream<CorpusParts> divide(int tasks) {
        long total = cost();
        long[] starts = new long[tasks + 1];
        PrimitiveIterator.OfLong costs = parts().mapToLong(CorpusPart::cost).iterator();
        long index = 0;
        long before = 0;
        for (int task = 0; task <= tasks; task++) {
            double share = (double) task / tasks;
            while (costs.hasNext() && before < share * total) {
                before += costs.nextLong();
                index++;
            }
            starts[task] = index;
        }
        return LongStream.range(0, tasks).mapToObj(task -> slice(starts[(int) task], starts[(int) task + 1]));
    }

    /** Texts that the driver has read. */
    record Scenes(List<CorpusPart.Scene> scenes) implements CorpusParts {
        @Override
        public long count() {
            return scenes.size();
        }

        @Override
        public Stream<CorpusPart> parts() {
            return scenes.stream().map(CorpusPart.class::cast);
        }

        @Override
        public CorpusParts slice(long from, long to) {
            return new Scenes(List.copyOf(scenes.subList((int) from, (int) to)));
        }
    }

    /** Ranges of files. */
    record Ranges(FileRanges ranges, TextCuts cuts) implements CorpusParts {
        @Override
        public long count() {
            return ranges.count();
        }

        @Override
        public Stream<CorpusPart> parts() {
            return StreamSupport.stream(ranges.spliterator(), false)
                    .flatMap(run -> LongStream.range(run.first(), run.end())
                            .mapToObj(
                                    range -> new CorpusPart.Range(run.file(), run.begin(range), run.end(range), cuts)));
        }

        @Override
        public CorpusParts slice(long from, long to) {
            return new Ranges(ranges.slice(from, to), cuts);
        }
    }
}
