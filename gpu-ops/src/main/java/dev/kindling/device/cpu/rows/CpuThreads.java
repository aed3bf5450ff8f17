package dev.kindling.device.cpu.rows;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntConsumer;

/**
 * A fixed pool of threads for loops of a few microseconds. The calling thread is worker 0. The others spin for a moment
 * after each call, then park. Work is divided statically: worker w of n takes items [w i / n, (w + 1) i / n), so that
 * an item always meets the same worker.
 *
 * <p>Several callers may use it; they take turns. A call from inside a body runs inline, on the thread that makes it.
 * Workers are daemons. An exception in a body reaches the caller after all workers have stopped; further ones are added
 * to it as suppressed. A worker that is gone is an {@link IllegalStateException}, never an endless wait.
 */
public final class CpuThreads implements AutoCloseable {
    /** Long enough to bridge the serial code between two operations, short enough not to burn an idle core. */
    private static final long SPIN_NANOS = 50_000;

    private static final long PARK_NANOS = 1_000_000;

    /** Part of a loop over items: those from {@code from} up to but without {@code to}. */
    @FunctionalInterface
    public interface RangeBody {
        void run(int worker, int from, int to);
    }

    private final Worker[] workers;
    private final ReentrantLock turn = new ReentrantLock();
    private final AtomicInteger unfinished = new AtomicInteger();
    private final AtomicInteger dispatches = new AtomicInteger();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private RangeBody body;
    private int items;
    private volatile boolean callerParked;
    private volatile Thread caller;
    private volatile boolean closed;

    /** Starts {@code threads - 1} daemon threads. */
    public CpuThreads(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads is " + threads + "; the CPU device needs at least 1");
        }
        workers = new Worker[threads - 1];
        for (int i = 0; i < workers.length; i++) {
            workers[i] = new Worker(i + 1);
            workers[i].start();
        }
    }

    /** How many threads share a loop, the caller's included. */
    public int threads() {
        return workers.length + 1;
    }

    /** Calls {@code body} once for every task in [0, tasks) and returns when all are done. */
    public void parallel(int tasks, IntConsumer body) {
        ranges(tasks, (worker, from, to) -> {
            for (int task = from; task < to; task++) {
                body.accept(task);
            }
        });
    }

    /**
     * Calls {@code body} at most once per worker with its part of [0, items); returns when all are done. Inline calls
     * (one thread, one item, nested) come as worker 0, or as the worker they are nested in.
     */
    public void ranges(int items, RangeBody body) {
        if (items <= 0) {
            return;
        }
        if (Thread.currentThread() instanceof Worker worker && worker.pool() == this) {
            body.run(worker.index, 0, items);
        } else if (workers.length == 0 || items == 1 || turn.isHeldByCurrentThread()) {
            body.run(0, 0, items);
        } else {
            turn.lock();
            try {
                dispatch(items, body);
            } finally {
                turn.unlock();
            }
        }
    }

    private void dispatch(int items, RangeBody body) {
        if (closed) {
            throw new IllegalStateException("The CPU threads are closed; a device cannot be used after close()");
        }
        this.body = body;
        this.items = items;
        caller = Thread.currentThread();
        unfinished.set(workers.length);
        dispatches.incrementAndGet();
        for (Worker worker : workers) {
            if (worker.parked) {
                LockSupport.unpark(worker);
            }
        }
        runPart(0);
        awaitWorkers();
        this.body = null;
        Throwable thrown = failure.getAndSet(null);
        if (thrown instanceof RuntimeException runtime) {
            throw runtime;
        } else if (thrown instanceof Error error) {
            throw error;
        }
    }

    private void runPart(int worker) {
        int threads = threads();
        int from = (int) ((long) items * worker / threads);
        int to = (int) ((long) items * (worker + 1) / threads);
        try {
            if (from < to) {
                body.run(worker, from, to);
            }
        } catch (RuntimeException | Error thrown) {
            if (!failure.compareAndSet(null, thrown)) {
                Throwable first = failure.get();
                if (first != thrown) {
                    first.addSuppressed(thrown);
                }
            }
        }
    }

    private void awaitWorkers() {
        long spinUntil = System.nanoTime() + SPIN_NANOS;
        while (unfinished.get() > 0) {
            if (System.nanoTime() < spinUntil) {
                Thread.onSpinWait();
                continue;
            }
            callerParked = true;
            if (unfinished.get() > 0) {
                LockSupport.parkNanos(this, PARK_NANOS);
            }
            callerParked = false;
            checkAlive();
        }
    }

    private void checkAlive() {
        for (Worker worker : workers) {
            if (!worker.isAlive() && unfinished.get() > 0) {
                closed = true;
                throw new IllegalStateException(
                        worker.getName() + " is dead with its part of the work undone; restart the process");
            }
        }
    }

    /** Stops the workers; a dispatch afterwards fails. May be called twice. */
    @Override
    public void close() {
        turn.lock();
        try {
            closed = true;
            dispatches.incrementAndGet();
            for (Worker worker : workers) {
                LockSupport.unpark(worker);
            }
        } finally {
            turn.unlock();
        }
    }

    private final class Worker extends Thread {
        private final int index;
        private volatile boolean parked;

        Worker(int index) {
            super("kindling-cpu-" + index);
            this.index = index;
            setDaemon(true);
        }

        CpuThreads pool() {
            return CpuThreads.this;
        }

        @Override
        public void run() {
            int seen = 0;
            while (true) {
                seen = awaitDispatch(seen);
                if (closed) {
                    return;
                }
                runPart(index);
                if (unfinished.decrementAndGet() == 0 && callerParked) {
                    LockSupport.unpark(caller);
                }
            }
        }

        private int awaitDispatch(int seen) {
            long spinUntil = System.nanoTime() + SPIN_NANOS;
            while (dispatches.get() == seen && System.nanoTime() < spinUntil) {
                Thread.onSpinWait();
            }
            while (dispatches.get() == seen) {
                parked = true;
                if (dispatches.get() == seen) {
                    LockSupport.park(CpuThreads.this);
                }
                parked = false;
            }
            return seen + 1;
        }
    }
}
