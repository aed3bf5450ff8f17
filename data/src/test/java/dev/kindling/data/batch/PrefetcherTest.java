package dev.kindling.data.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.data.DataException;
import dev.kindling.data.StoreException;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class PrefetcherTest {
    private static final Prefetcher.Patience PATIENCE = patience(Duration.ofSeconds(20));

    private static Prefetcher.Patience patience(Duration silence) {
        return new Prefetcher.Patience(silence, () -> 0, () -> {});
    }

    private static <E> Prefetcher<E> prefetcher(LongFunction<E> draw, int depth) {
        return new Prefetcher<>(draw, 0, Long.MAX_VALUE, depth, PATIENCE);
    }

    @Test
    void keepsTheOrderAndThenEnds() {
        try (Prefetcher<Long> prefetcher = new Prefetcher<>(i -> i, 3, 210, 4, PATIENCE)) {
            for (long i = 3; i < 210; i++) {
                assertThat(prefetcher.next()).isEqualTo(i);
            }
            assertThatThrownBy(prefetcher::next).isInstanceOf(NoSuchElementException.class);
            assertThatThrownBy(prefetcher::next).isInstanceOf(NoSuchElementException.class);
        }
        try (Prefetcher<Long> none = new Prefetcher<>(i -> i, 3, 3, 4, PATIENCE)) {
            assertThatThrownBy(none::next).isInstanceOf(NoSuchElementException.class);
        }
    }

    @Test
    void aFullHeapStaysAnOutOfMemoryError() {
        OutOfMemoryError full = new OutOfMemoryError("Java heap space");
        LongFunction<Long> draw = i -> {
            throw full;
        };
        try (Prefetcher<Long> prefetcher = prefetcher(draw, 2)) {
            assertThatThrownBy(prefetcher::next).isSameAs(full);
            assertThatThrownBy(prefetcher::next).isSameAs(full);
        }
    }

    @Test
    void drawsSideBySideOnDaemonThreadsButNotWithoutBound() throws InterruptedException {
        AtomicInteger drawn = new AtomicInteger();
        CountDownLatch three = new CountDownLatch(3);
        LongFunction<Boolean> draw = i -> {
            drawn.incrementAndGet();
            three.countDown();
            try {
                return three.await(20, TimeUnit.SECONDS)
                        && Thread.currentThread().isDaemon();
            } catch (InterruptedException e) {
                return false;
            }
        };
        try (Prefetcher<Boolean> prefetcher = prefetcher(draw, 3)) {
            assertThat(three.await(20, TimeUnit.SECONDS)).isTrue();
            Thread.sleep(50);
            assertThat(drawn).hasValue(3);
            assertThat(prefetcher.next()).isTrue();
        }
    }

    @Test
    void passesAFailureOnWithItsCauseAfterWhatWasDrawnBefore() {
        IllegalStateException cause = new IllegalStateException("bad disk");
        LongFunction<Long> draw = i -> {
            if (i == 2) {
                throw cause;
            }
            return i;
        };
        try (Prefetcher<Long> prefetcher = prefetcher(draw, 8)) {
            assertThat(List.of(prefetcher.next(), prefetcher.next())).containsExactly(0L, 1L);
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
        try (Prefetcher<Integer> prefetcher = prefetcher(i -> fail("x.bin was altered"), 1)) {
            assertThatThrownBy(prefetcher::next)
                    .isInstanceOf(DataException.class)
                    .hasMessage("x.bin was altered");
        }
    }

    @Test
    void aFaultOfTheStoreStaysOne() {
        StoreException fault = new StoreException("could not read x.bin", new IOException("503 Slow Down"));
        LongFunction<Integer> draw = i -> {
            throw fault;
        };
        try (Prefetcher<Integer> prefetcher = prefetcher(draw, 1)) {
            assertThatThrownBy(prefetcher::next)
                    .isInstanceOf(StoreException.class)
                    .hasMessage("could not read x.bin")
                    .hasRootCauseMessage("503 Slow Down");
        }
    }

    @Test
    void givesUpOnASourceThatHangs() {
        Prefetcher<Integer> prefetcher = hanging(patience(Duration.ofMillis(50)));
        assertThatThrownBy(prefetcher::next)
                .isInstanceOf(StoreException.class)
                .hasMessageContaining("no batch came, and nothing was read, for 0.1 s");
        prefetcher.close();
        assertThatThrownBy(prefetcher::next).isInstanceOf(IllegalStateException.class);
        prefetcher.close();
    }

    /** The wait is ten times as long as the silence that is allowed. */
    @Test
    void waitsAsLongAsThereIsProgress() {
        AtomicLong reads = new AtomicLong();
        AtomicInteger told = new AtomicInteger();
        long end = System.nanoTime() + 2_000_000_000L;
        LongFunction<Integer> draw = i -> {
            while (System.nanoTime() - end < 0) {
                Thread.onSpinWait();
            }
            return 7;
        };
        Prefetcher.Patience patience =
                new Prefetcher.Patience(Duration.ofMillis(200), reads::incrementAndGet, told::incrementAndGet);
        try (Prefetcher<Integer> prefetcher = new Prefetcher<>(draw, 0, 1, 1, patience)) {
            assertThat(prefetcher.next()).isEqualTo(7);
        }
        assertThat(told).hasPositiveValue();
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
    void nothingIsDrawnAfterClose() throws InterruptedException {
        AtomicInteger drawn = new AtomicInteger();
        Prefetcher<Integer> prefetcher = prefetcher(i -> drawn.incrementAndGet(), 2);
        prefetcher.next();
        prefetcher.close();
        int after = drawn.get();
        Thread.sleep(30);
        assertThat(drawn).hasValue(after);
    }

    private static Prefetcher<Integer> hanging(Prefetcher.Patience patience) {
        LongFunction<Integer> draw = i -> {
            try {
                Thread.sleep(25_000);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            return 1;
        };
        return new Prefetcher<>(draw, 0, 2, 1, patience);
    }

    private static Integer fail(String message) {
        throw new DataException(message);
    }
}
