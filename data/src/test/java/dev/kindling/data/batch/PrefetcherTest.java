package dev.kindling.data.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import dev.kindling.data.StoreException;
import java.io.IOException;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class PrefetcherTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @Test
    void keepsTheOrderAndThenEnds() {
        Iterator<Integer> source = IntStream.range(0, 207).boxed().iterator();
        try (Prefetcher<Integer> prefetcher = new Prefetcher<>(source, 2, PATIENCE)) {
            for (int i = 0; i < 207; i++) {
                assertThat(prefetcher.next()).isEqualTo(i);
            }
            assertThatThrownBy(prefetcher::next).isInstanceOf(NoSuchElementException.class);
            assertThatThrownBy(prefetcher::next).isInstanceOf(NoSuchElementException.class);
        }
    }

    @Test
    void drawsAheadOnADaemonThreadButNotWithoutBound() throws InterruptedException {
        AtomicInteger drawn = new AtomicInteger();
        CountDownLatch filled = new CountDownLatch(4);
        Iterator<Boolean> source = Stream.generate(() -> {
                    drawn.incrementAndGet();
                    filled.countDown();
                    return Thread.currentThread().isDaemon();
                })
                .iterator();
        try (Prefetcher<Boolean> prefetcher = new Prefetcher<>(source, 3, PATIENCE)) {
            assertThat(filled.await(20, TimeUnit.SECONDS)).isTrue();
            Thread.sleep(50);
            assertThat(drawn).hasValue(4);
            assertThat(prefetcher.next()).isTrue();
        }
    }

    @Test
    void passesAFailureOnWithItsCauseAfterWhatWasDrawnBefore() {
        IllegalStateException cause = new IllegalStateException("bad disk");
        Iterator<Integer> source = Stream.of(1, 2, 3)
                .map(i -> {
                    if (i == 3) {
                        throw cause;
                    }
                    return i;
                })
                .iterator();
        try (Prefetcher<Integer> prefetcher = new Prefetcher<>(source, 8, PATIENCE)) {
            assertThat(List.of(prefetcher.next(), prefetcher.next())).containsExactly(1, 2);
            for (int again = 0; again < 2; again++) {
                assertThatThrownBy(prefetcher::next)
                        .isInstanceOf(DataException.class)
                        .hasMessageContaining("IllegalStateException: bad disk")
                        .hasCause(cause);
            }
        }
    }

    @Test
    void keepsTheMessageOfADataException() {
        Iterator<Integer> source =
                Stream.generate(() -> 1).map(i -> fail("x.bin was altered")).iterator();
        try (Prefetcher<Integer> prefetcher = new Prefetcher<>(source, 1, PATIENCE)) {
            assertThatThrownBy(prefetcher::next)
                    .isInstanceOf(DataException.class)
                    .hasMessage("x.bin was altered");
        }
    }

    @Test
    void aFaultOfTheStoreStaysOne() {
        StoreException fault = new StoreException("could not read x.bin", new IOException("503 Slow Down"));
        Iterator<Integer> source = Stream.generate(() -> 1)
                .<Integer>map(i -> {
                    throw fault;
                })
                .iterator();
        try (Prefetcher<Integer> prefetcher = new Prefetcher<>(source, 1, PATIENCE)) {
            assertThatThrownBy(prefetcher::next)
                    .isInstanceOf(StoreException.class)
                    .hasMessage("could not read x.bin")
                    .hasRootCauseMessage("503 Slow Down");
        }
    }

    @Test
    void givesUpOnASourceThatHangs() {
        Prefetcher<Integer> prefetcher = hanging(Duration.ofMillis(50));
        assertThatThrownBy(prefetcher::next)
                .isInstanceOf(StoreException.class)
                .hasMessageContaining("no batch came within 0.1 s");
        prefetcher.close();
        assertThatThrownBy(prefetcher::next).isInstanceOf(IllegalStateException.class);
        prefetcher.close();
    }

    @Test
    void endsWaitingWhenInterrupted() {
        try (Prefetcher<Integer> prefetcher = hanging(PATIENCE)) {
            Thread.currentThread().interrupt();
            assertThatThrownBy(prefetcher::next).hasCauseInstanceOf(InterruptedException.class);
            assertThat(Thread.interrupted()).as("stays marked").isTrue();
        }
    }

    @Test
    void closeEndsAThreadThatWaitsForRoom() throws InterruptedException {
        AtomicInteger drawn = new AtomicInteger();
        Prefetcher<Integer> prefetcher =
                new Prefetcher<>(Stream.generate(drawn::incrementAndGet).iterator(), 1, PATIENCE);
        prefetcher.next();
        prefetcher.close();
        int after = drawn.get();
        Thread.sleep(30);
        assertThat(drawn).hasValue(after);
    }

    private static Prefetcher<Integer> hanging(Duration patience) {
        Iterator<Integer> source = Stream.generate(() -> {
                    try {
                        Thread.sleep(25_000);
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                    return 1;
                })
                .iterator();
        return new Prefetcher<>(source, 1, patience);
    }

    private static Integer fail(String message) {
        throw new DataException(message);
    }
}
