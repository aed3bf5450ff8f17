package dev.kindling.data.shard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.kindling.data.DataException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ManifestTest extends InShardFolder {
    private static final List<String> TEXT = List.of("jihgfedcbaabcdefghij");

    @Test
    void findsAnAlteredManifest() throws IOException {
        ShardSet.commit(store, "c", TOKENIZER, Map.of("train", series("train", 10, TEXT)));
        Path manifest = folder.resolve("manifest.json");
        byte[] good = Files.readAllBytes(manifest);
        for (int at = 0; at < good.length; at++) {
            byte[] bad = good.clone();
            bad[at] ^= 1;
            Files.write(manifest, bad);
            assertThatThrownBy(() -> ShardSet.open(store))
                    .as("byte %d of %s", at, new String(bad, StandardCharsets.ISO_8859_1))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("manifest.json")
                    .hasMessageContaining("run prepare again")
                    .hasMessageNotContaining("\n");
            Files.write(manifest, Arrays.copyOf(good, at));
            assertThatThrownBy(() -> ShardSet.open(store)).isInstanceOf(DataException.class);
        }
        Files.writeString(manifest, new String(good, StandardCharsets.UTF_8).replace("\"version\":2", "\"version\":3"));
        assertThatThrownBy(() -> ShardSet.open(store)).hasMessageContaining("is a manifest of version 3");
    }

    @Test
    void aManifestMayBeReformattedButNotSaySomethingTwice() throws IOException {
        String corpus = "gr\u00f6\u00dfe \ud83d\ude00 \"quoted\"\n";
        ShardSet written = ShardSet.commit(
                store, corpus, TOKENIZER, Map.of("train", series("train", 10, TEXT), "val", series("val", 10, TEXT)));
        Path manifest = folder.resolve("manifest.json");
        String compact = Files.readString(manifest);
        Files.writeString(manifest, new JsonMapper().readTree(compact).toPrettyString());
        assertThat(ShardSet.open(store).corpus()).isEqualTo(corpus);
        assertThat(ShardSet.open(store).shards()).containsExactlyInAnyOrderElementsOf(written.shards());
        Files.writeString(manifest, compact.replace("\"version\":2", "\"version\":2,\"version\":2"));
        assertThatThrownBy(() -> ShardSet.open(store))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("Duplicate");
        Files.writeString(manifest, compact + " {}");
        assertThatThrownBy(() -> ShardSet.open(store)).hasMessageContaining("goes on after its end");
        Files.writeString(manifest, "[" + compact + "]");
        assertThatThrownBy(() -> ShardSet.open(store)).hasMessageContaining("is not the manifest of a shard set");
    }
}
