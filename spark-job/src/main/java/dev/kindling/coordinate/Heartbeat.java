package dev.kindling.coordinate;

import dev.kindling.coordinate.message.DriverReply;
import dev.kindling.coordinate.message.FencedException;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.coordinate.message.RankMessage;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells the driver, from a daemon thread of its own, that a rank lives and how far it is. The driver's order to stop comes
 * back with the reply: it interrupts the rank's thread and is thrown by {@link #check()}. A rank that does not leave in
 * time, because it is stuck in native code, takes its process with it.
 */
final class Heartbeat implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Heartbeat.class);
    /** Collectives ask every 50 ms while they wait; a rank that has not asked for so long does something else. */
    private static final long WAITING_NANOS = 500_000_000;

    private static final String ORPHANED = "its driver is gone";
    /** Collections, not the cycles of a collector that works beside the program. */
    private static final List<GarbageCollectorMXBean> COLLECTORS =
            ManagementFactory.getGarbageCollectorMXBeans().stream()
                    .filter(collector -> !collector.getName().matches(".*(Cycles|Concurrent).*"))
                    .toList();

    private final Generation generation;
    private final Limits limits;
    private final int rank;
    private final Thread owner = Thread.currentThread();
    private final Thread thread;
    private volatile long step = -1;
    private volatile String stage = "start";
    private final AtomicLong moves = new AtomicLong();
    private volatile long waitedAt = System.nanoTime() - WAITING_NANOS;
    private volatile String stopReason;
    private volatile boolean stepsTogether;
    private volatile boolean orphaned;
    /** Guarded by this: after {@link #close} the owner runs other tasks, which no order to stop may interrupt. */
    private boolean closed;

    /** Of the rank that the calling thread runs. */
    Heartbeat(Generation generation, Limits limits, int rank) {
        this.generation = generation;
        this.limits = limits;
        this.rank = rank;
        this.thread = new Thread(this::beat, "kindling-heartbeat-" + generation.number() + "-" + rank);
        thread.setDaemon(true);
    }

    void start() {
        thread.start();
    }

    /** From the owner only; throws as {@link #check}. */
    void stepReached(long step) {
        this.step = step;
        moves.incrementAndGet();
        if (orphaned) {
            stop(ORPHANED);
        }
        check();
    }

    /** From the owner only; throws as {@link #check}. */
    void enter(String stage) {
        this.stage = stage;
        moves.incrementAndGet();
        check();
    }

    /** The rank is in a collective and waits for its peers; throws as {@link #check}. */
    void waitsForPeers() {
        waitedAt = System.nanoTime();
        check();
    }

    /** @throws FencedException when this rank must stop */
    void check() {
        if (stopReason != null) {
            throw new FencedException(stopReason);
        }
        if (owner.isInterrupted() && Thread.currentThread() == owner) {
            throw new FencedException("Spark cancelled the task of rank " + rank);
        }
    }

    /** Whether the driver has told this rank to stop. */
    boolean mustStop() {
        return stopReason != null;
    }

    synchronized void stop(String reason) {
        if (stopReason == null && !closed) {
            stopReason = "rank " + rank + " of generation " + generation.number() + " must stop: " + reason;
            owner.interrupt();
        }
    }

    /** See {@link RankSession#finishesStepsTogether}. */
    void finishesStepsTogether() {
        stepsTogether = true;
    }

    /** See {@link RankSession#orphaned}. */
    void orphaned() {
        orphaned = true;
        if (!stepsTogether) {
            stop(ORPHANED);
        }
    }

    private void beat() {
        long lastAnswer = System.nanoTime();
        while (!isClosed() && stopReason == null) {
            try {
                DriverReply reply = CoordinatorEndpoint.ask(message());
                if (reply instanceof DriverReply.Stop order) {
                    stop(order.reason());
                } else if (reply instanceof DriverReply.Ending) {
                    ExecutorProcess.driverEnds();
                }
                lastAnswer = System.nanoTime();
                Thread.sleep(periodMillis(limits, generation.worldSize()));
            } catch (InterruptedException e) {
                return; // closed
            } catch (Exception | Error e) {
                LOG.warn("heartbeat of rank {} failed: {}", rank, e.toString());
                if (System.nanoTime() - lastAnswer > limits.silence() * 1_000_000L) {
                    stop("the driver has not answered for " + limits.silence() + " ms: " + e);
                }
                pauseAfterFailure();
            }
        }
        endProcessUnlessClosed();
    }

    private RankMessage.Heartbeat message() {
        boolean waiting = System.nanoTime() - waitedAt < WAITING_NANOS;
        return new RankMessage.Heartbeat(
                generation.number(), rank, step, stage, moves.get(), waiting, collectedMillis());
    }

    private static long collectedMillis() {
        return COLLECTORS.stream()
                .mapToLong(GarbageCollectorMXBean::getCollectionTime)
                .sum();
    }

    /** Of more than 400 ranks longer than for few, so that the driver hears 2,000 a second of all. */
    static long periodMillis(Limits limits, int worldSize) {
        return Math.max(limits.heartbeat(), worldSize / 2);
    }

    private void pauseAfterFailure() {
        try {
            Thread.sleep(periodMillis(limits, generation.worldSize()));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void endProcessUnlessClosed() {
        try {
            Thread.sleep(limits.stop());
        } catch (InterruptedException e) {
            return; // closed
        }
        synchronized (this) {
            if (!closed) {
                ExecutorProcess.end(stopReason + "; it did not leave within " + limits.stop() + " ms");
            }
        }
    }

    private synchronized boolean isClosed() {
        return closed;
    }

    /** From now on the owner is interrupted no more. */
    @Override
    public synchronized void close() {
        closed = true;
        thread.interrupt();
    }
}
