package dev.kindling.data.shard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** How often a folder is read from, and when. */
class BlockCacheTest extends InShardFolder {
    private static final String TEXT = "abcdefgabcdjihgfedcbaabcdefghijab";

    private void write(int shardTokens) {
        ShardSet.commit(store, "c", TOKENIZER, Map.of("train", series("train", shardTokens, List.of(TEXT))));
    }

    @Test
    void blocksOfAStoreAreReadSideBySideAndOnceEach() throws Exception {
        write(4);
        CountDownLatch all = new CountDownLatch(8);
        AtomicInteger reads = new AtomicInteger();
        ShardSet set = ShardSet.open(new ForwardingFolder(store) {
            @Override
            public void read(String file, long fileBytes, long position, byte[] dst) throws IOException {
                reads.incrementAndGet();
                all.countDown();
                try {
                    assertThat(all.await(20, TimeUnit.SECONDS))
                            .as("all are on their way")
                            .isTrue();
                } catch (InterruptedException e) {
                    throw new IOException(e);
                }
                super.read(file, fileBytes, position, dst);
            }

            @Override
            public int parallelReads() {
                return 8;
            }
        });
        TokenSequence tokens = set.tokens("train");
        List<TokenSequence.Slice> slices = IntStream.range(0, 8)
                .mapToObj(i -> new TokenSequence.Slice(4L * i, 2, 2 * i))
                .toList();
        int[] dst = new int[16];
        for (int again = 0; again < 2; again++) {
            tokens.copyAll(slices, dst);
            for (int i = 0; i < 8; i++) {
                assertThat(dst[2 * i + 1]).isEqualTo(ShardTest.all(tokens)[4 * i + 1]);
            }
        }
        assertThat(reads).hasValue(9);
        assertThat(set.blocksRead()).isEqualTo(9);
    }

    /** A store, or the way from it, that gives a wrong byte once. */
    @Test
    void whatSeemsAlteredIsReadASecondTime() {
        write(100);
        AtomicInteger reads = new AtomicInteger();
        AtomicInteger bad = new AtomicInteger(1);
        ShardSet set = ShardSet.open(new ForwardingFolder(store) {
            @Override
            public void read(String file, long fileBytes, long position, byte[] dst) throws IOException {
                super.read(file, fileBytes, position, dst);
                dst[5] ^= (byte) (reads.incrementAndGet() <= bad.get() ? 1 : 0);
            }
        });
        assertThat(ShardTest.all(set.tokens("train"))).isEqualTo(TOKENIZER.encode(TEXT));
        assertThat(reads).hasValue(2);
        bad.set(Integer.MAX_VALUE);
        assertThatThrownBy(() -> set.documents("train"))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("was altered");
        assertThat(reads).hasValue(4);
    }
}
