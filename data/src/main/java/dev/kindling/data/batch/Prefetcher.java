package dev.kindling.data.batch;

import dev.kindling.data.DataException;
import dev.kindling.data.StoreException;
import java.io.IOException;
import java.time.Duration;
import java.util.Iterator;
import java.util.Locale;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * Draws the next elements on one background thread (a daemon), so that a step does not wait for disks and page faults.
 * The order is the source's. At most {@code depth} elements are ready and waiting, and one more is being drawn. {@link
 * #next} is for one thread; {@link #close} may be called from any.
 *
 * @param <E> a batch
 */
public final class Prefetcher<E> implements AutoCloseable {
    private static final long CLOSE_MILLIS = 5_000;

    /** What the thread hands over: an element, or why there is no further one. */
    private record Drawn<E>(E element, Throwable failure) {
        boolean isEnd() {
            return element == null && failure == null;
        }
    }

    private final BlockingQueue<Drawn<E>> queue;
    private final Duration patience;
    private final Thread thread;
    private volatile boolean closed;
    private Drawn<E> last;

    /**
     * Starts to draw.
     *
     * @param source gives the elements in order, none of them null; only the background thread calls it
     * @param depth elements to hold ready, 1 or more
     * @param patience how long {@link #next} waits for an element before it gives up
     */
    public Prefetcher(Iterator<? extends E> source, int depth, Duration patience) {
        this.queue = new ArrayBlockingQueue<>(depth);
        this.patience = patience;
        this.thread = new Thread(() -> draw(source), "kindling-prefetch");
        thread.setDaemon(true);
        thread.start();
    }

    private void draw(Iterator<? extends E> source) {
        try {
            Drawn<E> drawn;
            do {
                drawn = drawOne(source);
                queue.put(drawn);
            } while (drawn.element() != null && !closed);
        } catch (InterruptedException e) {
            // close() asks the thread to end, and nobody is left to hand the element to.
            Thread.currentThread().interrupt();
        }
    }

    private Drawn<E> drawOne(Iterator<? extends E> source) {
        try {
            return source.hasNext()
                    ? new Drawn<>(Objects.requireNonNull(source.next(), "the source gave null"), null)
                    : new Drawn<>(null, null);
        } catch (Throwable failure) { // an Error, such as OutOfMemoryError, must reach the step as well
            return new Drawn<>(null, failure);
        }
    }

    /**
     * The next element.
     *
     * @throws DataException if drawing it failed (with the cause), or if the waiting thread is interrupted; the thread's
     *     interrupt flag stays set
     * @throws StoreException if the store of the data failed, or it takes longer than the patience
     * @throws NoSuchElementException if the source has no more elements
     * @throws IllegalStateException if the prefetcher is closed
     */
    public E next() {
        if (closed) {
            throw new IllegalStateException("the prefetcher is closed");
        }
        if (last == null) {
            Drawn<E> drawn = take();
            if (drawn.element() != null) {
                return drawn.element();
            }
            last = drawn;
        }
        if (last.isEnd()) {
            throw new NoSuchElementException("the source has no further batch");
        }
        if (last.failure() instanceof StoreException fault) {
            throw new StoreException(fault.getMessage(), fault.getCause());
        }
        // A DataException already says what, why and the fix, and keeps the cause that it came with.
        String message = last.failure() instanceof DataException data
                ? data.getMessage()
                : String.format(
                        Locale.ROOT,
                        "drawing the next batch failed (%s); look at the cause",
                        DataException.reason(last.failure()));
        throw new DataException(message, last.failure());
    }

    private Drawn<E> take() {
        try {
            Drawn<E> drawn = queue.poll(patience.toNanos(), TimeUnit.NANOSECONDS);
            if (drawn == null) {
                String message = String.format(
                        Locale.ROOT,
                        "no batch came within %.1f s; check that the storage of the shards answers",
                        patience.toMillis() / 1000.0);
                throw new StoreException(message, new IOException(message));
            }
            return drawn;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DataException("interrupted while waiting for the next batch; the job is being stopped", e);
        }
    }

    /**
     * Ends the thread, waiting for it at most 5 seconds: a read that hangs in the operating system cannot
     * be interrupted, and its daemon thread does not keep the process alive.
     */
    @Override
    public void close() {
        closed = true;
        thread.interrupt();
        try {
            thread.join(CLOSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        queue.clear();
    }
}
