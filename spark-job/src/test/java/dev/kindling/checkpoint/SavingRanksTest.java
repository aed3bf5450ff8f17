package dev.kindling.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.storage.LateDisk;
import dev.kindling.storage.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class SavingRanksTest {
    /** Longer than any test may take. */
    private static final Duration LEASE = Duration.ofMinutes(10);

    @TempDir
    private Path folder;

    private SavingRanks ranks(String scheme) throws IOException {
        org.apache.hadoop.fs.Path checkpoints = new org.apache.hadoop.fs.Path(scheme + ":" + folder);
        Configuration hadoop = LateDisk.settings();
        return new SavingRanks(Storage.of(checkpoints, hadoop), checkpoints, LEASE);
    }

    @ParameterizedTest
    @ValueSource(strings = {"file", "late"})
    void aRankIsWaitedForUntilItEndsByWhateverClock(String scheme) throws Exception {
        SavingRanks ranks = ranks(scheme);
        ranks.renew(0);
        CompletableFuture<Void> end = CompletableFuture.runAsync(
                () -> {
                    try {
                        ranks.end(0);
                    } catch (IOException e) {
                        throw new IllegalStateException(e);
                    }
                },
                CompletableFuture.delayedExecutor(500, TimeUnit.MILLISECONDS));
        ranks.await();
        assertThat(folder).isEmptyDirectory();
        end.get();
    }

    @Test
    void oneThatWasKilledIsNot() throws IOException {
        SavingRanks ranks = ranks("file");
        ranks.renew(0);
        Path alive = folder.resolve(".rescuing-rank-0/alive");
        Files.setLastModifiedTime(
                alive, FileTime.from(Instant.now().minus(LEASE).minusSeconds(1)));
        ranks.await();
        assertThat(alive).exists();
        ranks.renew(0);
        assertThat(Files.getLastModifiedTime(alive).toInstant())
                .isAfter(Instant.now().minus(LEASE));
    }
}
