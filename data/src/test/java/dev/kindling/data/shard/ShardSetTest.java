package dev.kindling.data.shard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.kindling.data.DataException;
import dev.kindling.data.StoreException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ShardSetTest extends InShardFolder {
    private static final List<String> TEXTS = List.of("abcdefg", "a", "", "bcd", "jihgfedcbaabcdefghij", "ab");

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 7, 10, 13, 32, 33, 100})
    void joinsShardsOfAnySize(int shardTokens) {
        ShardSet written = ShardSet.commit(store, "c", TOKENIZER, Map.of("train", series("train", shardTokens, TEXTS)));
        for (ShardSet set : List.of(written, ShardSet.open(store), ShardSet.open(side(8)))) {
            TokenSequence tokens = set.tokens("train");
            int[] expected = TOKENIZER.encode(String.join("", TEXTS));
            assertThat(ShardTest.all(tokens)).isEqualTo(expected);
            for (int offset = 0; offset <= expected.length; offset++) {
                for (int length = 0; length <= expected.length - offset; length++) {
                    int[] dst = new int[length];
                    tokens.copy(offset, length, dst, 0);
                    assertThat(dst).isEqualTo(Arrays.copyOfRange(expected, offset, offset + length));
                }
            }
            assertThat(DocumentLengths.of(set.documents("train"))).containsExactly(7L, 1L, 3L, 20L, 2L);
            assertThat(set.tokenizer()).isEqualTo(TOKENIZER);
            assertThat(set.shards()).hasSize((expected.length + shardTokens - 1) / shardTokens);
            assertThat(set.isCheckedByBlock()).isTrue();
            verify(set);
        }
    }

    @Test
    void putsTheSeriesOfSeveralTasksInOrder() {
        List<ShardInfo> shards = new ArrayList<>(series("train-00000", 4, TEXTS));
        shards.addAll(series("train-00001", 5, TEXTS));
        ShardSet set = ShardSet.commit(store, "c", TOKENIZER, Map.of("train", shards));
        String text = String.join("", TEXTS);
        assertThat(ShardTest.all(set.tokens("train"))).isEqualTo(TOKENIZER.encode(text + text));
        assertThat(set.documents("train").count()).isEqualTo(10);
    }

    @Test
    void findsDamagedShardsByName() throws IOException {
        ShardSet.commit(store, "c", TOKENIZER, Map.of("train", series("train", 10, TEXTS)));
        Path victim = folder.resolve("train-0002.bin");
        byte[] good = Files.readAllBytes(victim);
        Files.delete(victim);
        assertBadShard("train-0002.bin", "NoSuchFileException");
        Files.write(victim, Arrays.copyOf(good, good.length - 30));
        assertBadShard("train-0002.bin", "is truncated");
        Files.copy(folder.resolve("train-0001.bin"), victim, StandardCopyOption.REPLACE_EXISTING);
        assertBadShard("train-0002.bin", "is not the shard that the manifest names", "is another shard");
        Files.write(victim, good);
        verify(ShardSet.open(store));
    }

    /** Written by Kindling before blocks had checksums. */
    @Test
    void readsShardsOfVersion1() throws Exception {
        Path old = Path.of(getClass().getResource("/shards-of-version-1").toURI());
        ShardSet set = ShardSet.open(new LocalShardFolder(old));
        assertThat(set.isCheckedByBlock()).isFalse();
        assertThat(ShardTest.all(set.tokens("train"))).isEqualTo(TOKENIZER.encode(String.join("", TEXTS)));
        assertThat(TOKENIZER.decode(ShardTest.all(set.tokens("val")))).isEqualTo("abcdefg");
        assertThat(DocumentLengths.of(set.documents("train"))).containsExactly(7L, 1L, 3L, 20L, 2L);
        verify(set);

        Files.createDirectories(folder);
        for (ShardInfo shard : set.shards()) {
            Files.copy(old.resolve(shard.name()), folder.resolve(shard.name()));
        }
        Files.copy(old.resolve("manifest.json"), folder.resolve("manifest.json"));
        ShardInfo last = set.shards().get(4);
        byte[] bad = Files.readAllBytes(folder.resolve(last.name()));
        bad[70] ^= 1;
        Files.write(folder.resolve(last.name()), bad);
        assertThatThrownBy(() -> ShardSet.open(store).verify(last))
                .isInstanceOf(DataException.class)
                .hasMessageContainingAll("val-00000-0000.bin was altered", "all of its ids");
    }

    @Test
    void refusesAnUnfinishedFolderAndOneThatIsTaken() {
        series("train", 10, TEXTS);
        assertThatThrownBy(() -> ShardSet.open(store))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("holds no finished shard set: manifest.json is missing; run prepare");
        ShardSet.commit(store, "c", TOKENIZER, Map.of("train", series("train", 10, TEXTS)));
        assertThatThrownBy(() -> ShardSet.requireNew(store))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("already holds a shard set; choose another folder");
        assertThatThrownBy(() -> ShardSet.open(store).tokens("test"))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("has no split 'test', only [train]");
    }

    @Test
    void leavesNothingBehindWhenADocumentCannotBeEncoded() {
        try (ShardSeries series = new ShardSeries(store, TOKENIZER, "train", 2)) {
            addDocument(series, "one", "abcdef");
            assertThat(names()).isNotEmpty();
            assertThatThrownBy(() -> addDocument(series, "two", "abX"))
                    .isInstanceOf(DataException.class)
                    .hasMessageStartingWith("document two: character 'X' (U+0058) at position 2");
        }
        assertThat(names()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"train-0000.bin", "train-0003.bin"})
    void leavesNothingBehindWhenTheDiskIsFull(String full) {
        ShardFolder failing = new ForwardingFolder(store) {
            @Override
            public void write(String file, Content content) throws IOException {
                store.write(file, out -> {
                    content.writeTo(out);
                    if (file.equals(full)) {
                        throw new IOException("No space left on device");
                    }
                });
            }
        };
        try (ShardSeries series = new ShardSeries(failing, TOKENIZER, "train", 3)) {
            assertThatThrownBy(() -> {
                        addDocument(series, "d", "abcdefghij");
                        series.finish();
                    })
                    .isInstanceOf(DataException.class)
                    .hasMessageEndingWith(
                            full + " (IOException: No space left on device); free space or choose another folder");
        }
        assertThat(names()).isEmpty();
    }

    @Test
    void aStoreThatFailsForAWhileIsNoBadShard() {
        ShardSet.commit(store, "c", TOKENIZER, Map.of("train", series("train", 10, TEXTS)));
        AtomicBoolean down = new AtomicBoolean(true);
        ShardFolder failing = new ForwardingFolder(store) {
            @Override
            public InputStream open(String file) throws IOException {
                if (down.get()) {
                    throw new IOException("503 Slow Down");
                }
                return store.open(file);
            }

            @Override
            public void read(String file, long fileBytes, long position, byte[] dst) throws IOException {
                if (down.get()) {
                    throw new IOException("503 Slow Down");
                }
                super.read(file, fileBytes, position, dst);
            }
        };
        assertThatThrownBy(() -> ShardSet.open(failing))
                .isInstanceOf(StoreException.class)
                .hasMessageContainingAll("manifest.json", "503 Slow Down");
        down.set(false);
        ShardSet set = ShardSet.open(failing);
        down.set(true);
        assertThatThrownBy(() -> set.tokens("train").copy(0, 10, new int[10], 0))
                .isInstanceOf(StoreException.class)
                .hasMessageContainingAll("train", "503 Slow Down");
        down.set(false);
        set.tokens("train").copy(0, 10, new int[10], 0);
    }

    @Test
    void reportsWhatARealFullDeviceSays() throws IOException {
        Path device = Path.of("/dev/full");
        assumeTrue(Files.exists(device), "this system has no /dev/full");
        ShardWriter writer = new ShardWriter(TOKENIZER);
        writer.add(new int[100], 0, 100);
        try (var out = Files.newOutputStream(device)) {
            assertThatThrownBy(() -> writer.write(out, new int[0])).isInstanceOf(IOException.class);
        }
    }

    private static void verify(ShardSet set) {
        set.shards().forEach(set::verify);
    }

    private void assertBadShard(String name, String why) {
        assertBadShard(name, why, why);
    }

    private void assertBadShard(String name, String why, String whyWhenRead) {
        ShardSet set = ShardSet.open(store);
        assertThatThrownBy(() -> verify(set))
                .isInstanceOf(DataException.class)
                .hasMessageContaining(name)
                .hasMessageContaining(why);
        assertThatThrownBy(() -> set.tokens("train").copy(25, 1, new int[1], 0))
                .isInstanceOf(DataException.class)
                .hasMessageContainingAll(name, whyWhenRead);
        set.tokens("train").copy(0, 10, new int[10], 0);
    }

    private List<String> names() {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** As a remote store, which is asked for several blocks at once. */
    private ShardFolder side(int reads) {
        return new ForwardingFolder(store) {
            @Override
            public int parallelReads() {
                return reads;
            }
        };
    }
}
