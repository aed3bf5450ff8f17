package dev.kindling.prepare;

import dev.kindling.data.corpus.CorpusSplit;
import dev.kindling.data.shard.ShardFolder;
import dev.kindling.data.shard.ShardSeries;
import dev.kindling.data.token.Tokenizer;
import dev.kindling.data.token.Tokenizers;
import dev.kindling.storage.HadoopShardFolder;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.io.Serializable;
import java.util.Locale;
import java.util.UUID;
import org.apache.hadoop.fs.Path;

/**
 * The second stage: tokenises a task's parts on their side of the cut.
 *
 * @param shardTokens the most ids in one shard
 * @param cutTask the task in whose parts validation begins
 * @param cutAt code point of those at which it begins
 */
record Writing(String folder, int shardTokens, String tokenizer, int cutTask, long cutAt) implements Serializable {
    /**
     * Writes shards whose names no other attempt at the task has, in this application or in one that was killed: an attempt
     * neither writes over nor deletes what another has written.
     */
    String write(int task, CorpusParts parts) throws IOException {
        String attempt = UUID.randomUUID().toString().substring(0, 8);
        ShardFolder target = HadoopShardFolder.at(new Path(folder), Storage.settings());
        Tokenizer encoder = Tokenizers.fromJson(tokenizer, "the driver's vocabulary");
        try (ShardSeries train = series(target, encoder, CorpusSplit.TRAIN, task, attempt);
                ShardSeries val = series(target, encoder, CorpusSplit.VAL, task, attempt)) {
            CutInTwo halves = new CutInTwo(train, val, task < cutTask ? Long.MAX_VALUE : task == cutTask ? cutAt : 0);
            parts.parts().forEach(part -> part.read(halves));
            return new WrittenShards(train.finish(), val.finish()).toJson();
        }
    }

    private ShardSeries series(ShardFolder folder, Tokenizer encoder, String split, int task, String attempt) {
        String prefix = String.format(Locale.ROOT, "%s-%05d-%s", split, task, attempt);
        return new ShardSeries(folder, encoder, prefix, shardTokens);
    }

    /** Gives the first code points to one series, and what follows to the other. */
    private static final class CutInTwo implements CorpusPart.Sink {
        private final ShardSeries train;
        private final ShardSeries val;
        private long left;
        private ShardSeries current;

        CutInTwo(ShardSeries train, ShardSeries val, long trains) {
            this.train = train;
            this.val = val;
            left = trains;
            current = trains > 0 ? train : val;
        }

        @Override
        public void text(String document, String piece) {
            int length = piece.codePointCount(0, piece.length());
            int trains = (int) Math.min(left, length);
            int cut = piece.offsetByCodePoints(0, trains);
            left -= trains;
            add(train, document, piece.substring(0, cut));
            add(val, document, piece.substring(cut));
        }

        private void add(ShardSeries series, String document, String text) {
            if (!text.isEmpty()) {
                series.add(document, text);
                current = series;
            }
        }

        @Override
        public void endDocument() {
            current.endDocument();
        }
    }
}
