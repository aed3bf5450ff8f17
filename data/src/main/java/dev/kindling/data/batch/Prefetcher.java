package dev.kindling.data.batch;

import dev.kindling.data.DataException;
import dev.kindling.data.StoreException;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Locale;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.LongFunction;
import java.util.function.LongSupplier;

/**
 * Draws the next elements on background threads (daemons), so that a step waits neither for disks nor for a store. Elements
 * are functions of their numbers, so several are drawn side by side, and given in their order. At most {@code depth} of them
 * are ready or being drawn. {@link #next} is for one thread; {@link #close} may be called from any.
 *
 * @param <E> a batch
 */
public final class Prefetcher<E> implements AutoCloseable {
    private static final long CLOSE_MILLIS = 5_000;
    private static final long LOOK_MILLIS = 500;

    /**
     * How long an element is waited for: as long as there is progress.
     *
     * @param silence without progress, after which {@link #next} gives up
     * @param progress a number that changes with every read from the storage
     * @param progressed is run, by the thread that waits, when it has changed
     */
    public record Patience(Duration silence, LongSupplier progress, Runnable progressed) {}

    private final LongFunction<? extends E> draw;
    private final long end;
    private final Patience patience;
    private final ExecutorService threads;
    private final Queue<Future<E>> drawn = new ArrayDeque<>();
    private long following;
    private Throwable failure;
    private volatile boolean closed;

    /**
     * Starts to draw.
     *
     * @param draw gives the element of a number, never null; several threads call it
     * @param begin number of the first element
     * @param end number after the last
     * @param depth elements to hold ready or have drawn at once, 1 or more
     */
    public Prefetcher(LongFunction<? extends E> draw, long begin, long end, int depth, Patience patience) {
        this.draw = draw;
        this.following = begin;
        this.end = end;
        this.patience = patience;
        threads = Executors.newFixedThreadPool(depth, task -> {
            Thread thread = new Thread(task, "kindling-prefetch");
            thread.setDaemon(true);
            return thread;
        });
        for (int i = 0; i < depth; i++) {
            drawFollowing();
        }
    }

    private synchronized void drawFollowing() {
        if (following < end && !closed) {
            long number = following++;
            drawn.add(threads.submit(() -> Objects.requireNonNull(draw.apply(number), "there is no such element")));
        }
    }

    /**
     * The next element.
     *
     * @throws DataException if drawing it failed (with the cause), or if the waiting thread is interrupted; the thread's
     *     interrupt flag stays set
     * @throws Error if drawing it ended with one, such as a full heap, which is told apart by its type
     * @throws StoreException if the store of the data failed, or nothing came from it for longer than the patience
     * @throws NoSuchElementException if there are no more elements
     * @throws IllegalStateException if the prefetcher is closed
     */
    public E next() {
        if (closed) {
            throw new IllegalStateException("the prefetcher is closed");
        }
        if (failure == null) {
            if (drawn.isEmpty()) {
                throw new NoSuchElementException("there is no further batch");
            }
            try {
                E element = await(drawn.peek());
                drawn.remove();
                drawFollowing();
                return element;
            } catch (ExecutionException e) {
                failure = e.getCause();
            }
        }
        if (failure instanceof Error error) {
            throw error;
        }
        if (failure instanceof StoreException fault) {
            throw new StoreException(fault.getMessage(), fault.getCause());
        }
        // A DataException already says what, why and the fix, and keeps the cause that it came with.
        String message = failure instanceof DataException data
                ? data.getMessage()
                : String.format(
                        Locale.ROOT,
                        "drawing the next batch failed (%s); look at the cause",
                        DataException.reason(failure));
        throw new DataException(message, failure);
    }

    private E await(Future<E> element) throws ExecutionException {
        long progress = patience.progress().getAsLong();
        long since = System.nanoTime();
        while (true) {
            try {
                return element.get(Math.min(patience.silence().toMillis(), LOOK_MILLIS), TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                long now = patience.progress().getAsLong();
                if (now != progress) {
                    progress = now;
                    since = System.nanoTime();
                    patience.progressed().run();
                } else if (System.nanoTime() - since >= patience.silence().toNanos()) {
                    String message = String.format(
                            Locale.ROOT,
                            "no batch came, and nothing was read, for %.1f s; check that the storage of the shards answers",
                            patience.silence().toMillis() / 1000.0);
                    throw new StoreException(message, new IOException(message, e));
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new DataException("interrupted while waiting for the next batch; the job is being stopped", e);
            }
        }
    }

    /**
     * Ends the threads, waiting for them at most 5 seconds: a read that hangs in the operating system cannot
     * be interrupted, and its daemon thread does not keep the process alive.
     */
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            threads.shutdownNow();
        }
        try {
            threads.awaitTermination(CLOSE_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
