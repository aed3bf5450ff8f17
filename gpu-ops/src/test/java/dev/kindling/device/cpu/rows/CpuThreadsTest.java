package dev.kindling.device.cpu.rows;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class CpuThreadsTest {

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 7})
    void runsEveryTaskOnce(int count) {
        try (CpuThreads threads = new CpuThreads(count)) {
            for (int tasks : new int[] {0, 1, 2, 13, 207}) {
                AtomicIntegerArray runs = new AtomicIntegerArray(tasks);
                threads.parallel(tasks, runs::incrementAndGet);
                for (int i = 0; i < tasks; i++) {
                    assertThat(runs.get(i)).as("task %d of %d", i, tasks).isEqualTo(1);
                }
            }
        }
    }

    @Test
    void theSameItemMeetsTheSameWorker() {
        try (CpuThreads threads = new CpuThreads(3)) {
            int[] first = new int[50];
            threads.ranges(50, (worker, from, to) -> mark(first, worker, from, to));
            for (int round = 0; round < 200; round++) {
                int[] again = new int[50];
                threads.ranges(50, (worker, from, to) -> mark(again, worker, from, to));
                assertThat(again).containsExactly(first);
            }
            assertThat(first).contains(0, 1, 2);
        }
    }

    private static void mark(int[] workers, int worker, int from, int to) {
        for (int i = from; i < to; i++) {
            workers[i] = worker;
        }
    }

    @Test
    void manyDispatchesWithPausesLoseNothing() throws InterruptedException {
        try (CpuThreads threads = new CpuThreads(2)) {
            AtomicInteger sum = new AtomicInteger();
            for (int i = 0; i < 20_000; i++) {
                threads.parallel(2, task -> sum.incrementAndGet());
                if (i % 1000 == 0) {
                    Thread.sleep(1);
                }
            }
            assertThat(sum.get()).isEqualTo(40_000);
        }
    }

    @Test
    void aWorkersExceptionReachesTheCallerAndThePoolGoesOn() {
        try (CpuThreads threads = new CpuThreads(2)) {
            assertThatThrownBy(() -> threads.parallel(2, task -> {
                        throw new IllegalArgumentException("task " + task);
                    }))
                    .isInstanceOf(IllegalArgumentException.class)
                    .satisfies(thrown -> assertThat(thrown.getSuppressed()).hasSize(1));
            assertThatThrownBy(() -> threads.parallel(2, task -> {
                        if (task == 1) {
                            throw new AssertionError("only the worker");
                        }
                    }))
                    .isInstanceOf(AssertionError.class)
                    .hasMessage("only the worker");
            AtomicInteger runs = new AtomicInteger();
            threads.parallel(2, task -> runs.incrementAndGet());
            assertThat(runs.get()).isEqualTo(2);
        }
    }

    @Test
    void aNestedDispatchRunsInline() {
        try (CpuThreads threads = new CpuThreads(2)) {
            AtomicInteger runs = new AtomicInteger();
            threads.parallel(4, outer -> {
                Thread asked = Thread.currentThread();
                threads.parallel(5, inner -> {
                    assertThat(Thread.currentThread()).isSameAs(asked);
                    runs.incrementAndGet();
                });
            });
            assertThat(runs.get()).isEqualTo(20);
        }
    }

    @Test
    void refusesWorkWhenClosedAndNonsenseAtOnce() {
        CpuThreads threads = new CpuThreads(2);
        threads.close();
        threads.close();
        assertThatThrownBy(() -> threads.parallel(2, task -> {})).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> new CpuThreads(0)).isInstanceOf(IllegalArgumentException.class);
    }
}
