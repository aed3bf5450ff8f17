package dev.kindling.data.shard;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.data.token.BpeTokenizer;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Documents across the borders of series, shards and arrays. */
class ShardSeriesTest extends InShardFolder {
    @Test
    void endsWholeDocumentsWithEndOfText() {
        BpeTokenizer tokenizer = new BpeTokenizer();
        try (ShardSeries train = new ShardSeries(store, tokenizer, "train", 100);
                ShardSeries val = new ShardSeries(store, tokenizer, "val", 100)) {
            train.add("d0", "one two");
            train.endDocument();
            train.add("empty", "");
            train.endDocument();
            train.add("d1", "thre");
            val.add("d1", "e four");
            val.add("d1", " five");
            val.endDocument();
            ShardSet set =
                    ShardSet.commit(store, "given", tokenizer, Map.of("train", train.finish(), "val", val.finish()));
            assertThat(tokenizer.decode(ShardTest.all(set.tokens("train")))).isEqualTo("one two<|endoftext|>thre");
            assertThat(tokenizer.decode(ShardTest.all(set.tokens("val")))).isEqualTo("e four five<|endoftext|>");
            assertThat(set.documents("train").count()).isEqualTo(2);
            assertThat(set.documents("val").count()).isEqualTo(1);
        }
    }

    /** A document that three tasks read, in shards of every size. */
    @Test
    void aDocumentGoesOnFromSeriesToSeries() {
        for (int shardTokens = 1; shardTokens <= 12; shardTokens++) {
            List<ShardInfo> shards = new ArrayList<>();
            String[][] tasks = {{"abc|", "de"}, {"fgh"}, {"", "ij|", "a|"}};
            for (String[] pieces : tasks) {
                try (ShardSeries series = new ShardSeries(store, TOKENIZER, "train-" + shards.size(), shardTokens)) {
                    for (String piece : pieces) {
                        series.add("d", piece.replace("|", ""));
                        if (piece.endsWith("|")) {
                            series.endDocument();
                        }
                    }
                    shards.addAll(series.finish());
                }
            }
            ShardSet set = ShardSet.commit(store, "given", TOKENIZER, Map.of("train", shards));
            assertThat(ShardTest.all(set.tokens("train"))).isEqualTo(TOKENIZER.encode("abcdefghija"));
            assertThat(DocumentLengths.of(set.documents("train"))).containsExactly(3L, 7L, 1L);
        }
    }

    /** 40 shards of 2^26 tokens are one document, longer than an int. */
    @Test
    void aDocumentMayBeLongerThanAnyArray() throws IOException {
        List<ShardInfo> shards = IntStream.range(0, 40)
                .mapToObj(i -> new ShardInfo("s" + i, 1 << 26, "00000000", 1, i < 39))
                .toList();
        ShardLayout layout = new ShardLayout(ShardHeader.VERSION, Short.BYTES, 1 << 26, 1);
        ByteBuffer list = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putInt(1 << 26);
        list.putInt(ShardLayout.checksum(list.array(), 0, Integer.BYTES, 0, layout.documentsBlock()));
        Files.createDirectories(folder);
        for (ShardInfo shard : shards) {
            try (RandomAccessFile sparse =
                    new RandomAccessFile(folder.resolve(shard.name()).toFile(), "rw")) {
                sparse.seek(layout.endOfBlocks());
                sparse.write(list.array());
            }
        }
        ShardSet set = ShardSet.commit(store, "given", TOKENIZER, Map.of("train", shards));
        assertThat(DocumentLengths.of(set.documents("train"))).containsExactly(40L << 26);
    }
}
