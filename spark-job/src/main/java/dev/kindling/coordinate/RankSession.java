package dev.kindling.coordinate;

import dev.kindling.allreduce.link.Group;
import dev.kindling.allreduce.link.Peer;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.coordinate.message.FencedException;
import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.coordinate.message.Message;
import dev.kindling.coordinate.message.Reply;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.spark.SparkEnv;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A rank's side of the control plane. A daemon thread sends heartbeats; the order to stop comes back with the reply,
 * is thrown by {@link #check()}, and interrupts the rank's thread. A rank that does not leave in time, because it is
 * stuck in native code, takes its process with it.
 */
public final class RankSession implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(RankSession.class);
    private static final long POLL_MILLIS = 10;
    /** Collectives ask every 50 ms while they wait; a rank that has not asked for so long does something else. */
    private static final long WAITING_NANOS = 500_000_000;
    /** Exit code of an executor that had to end itself. */
    private static final int EXIT_FENCED = 57;

    private final Generation generation;
    private final Limits limits;
    private final int rank;
    private final Thread owner = Thread.currentThread();
    private final Thread heart;
    private final ReportQueue reports;
    private final AtomicLong requestIds = new AtomicLong();
    private String where = "";
    private volatile long step = -1;
    private volatile String stage = "start";
    private final AtomicLong moves = new AtomicLong();
    private volatile long waitedAt = System.nanoTime() - WAITING_NANOS;
    private volatile String stopReason;
    private volatile boolean closed;

    RankSession(Generation generation, Limits limits, int rank) {
        this.generation = generation;
        this.limits = limits;
        this.rank = rank;
        this.heart = new Thread(this::beat, "kindling-heartbeat-" + generation.number() + "-" + rank);
        heart.setDaemon(true);
        this.reports = new ReportQueue("kindling-reports-" + generation.number() + "-" + rank, this::carry);
    }

    /** The generation this rank belongs to. */
    public Generation generation() {
        return generation;
    }

    /** 0 .. worldSize-1. Not the GPU's address. */
    public int rank() {
        return rank;
    }

    /** For people: "rank 1 (executor 3 on node7, GPU 0)". */
    public String where() {
        return where;
    }

    /** Number of ranks. */
    public int worldSize() {
        return generation.worldSize();
    }

    /** The step of the checkpoint to start from. */
    public long startStep() {
        return generation.startStep();
    }

    /** The bound of every wait. */
    public Limits limits() {
        return limits;
    }

    /** Says that {@code step} is done; the stall watchdog starts anew. Throws as {@link #check()}. Cheap. */
    public void stepReached(long step) {
        this.step = step;
        move();
    }

    /** Names what this rank does now ("checkpoint", "evaluation"), for the watchdog's message; restarts its clock. */
    public void enter(String stage) {
        this.stage = stage;
        move();
    }

    private void move() {
        moves.incrementAndGet();
        check();
    }

    /**
     * Returns when all is well. Call it often; cheap.
     *
     * @throws FencedException when this rank must stop
     */
    public void check() {
        if (stopReason != null) {
            throw new FencedException(stopReason);
        }
        if (owner.isInterrupted() && Thread.currentThread() == owner) {
            throw new FencedException("Spark cancelled the task of rank " + rank);
        }
    }

    /** Registers the GPU this rank computes on. Two ranks on one GPU is an error of the job. */
    public void claimGpu(String uuid) {
        expectOk(ask(new Message.Claim(generation.number(), rank, uuid)));
    }

    /**
     * Sends something to the driver's {@link RequestHandler} without waiting for it; kept in order, also with requests.
     * Throws as {@link #check()}, and what an earlier report has failed with.
     */
    public void report(String topic, byte[] payload) {
        check();
        reports.add(new Message.Report(topic, payload));
    }

    /** Waits until the driver has all reports of this rank. */
    public void flushReports() {
        reports.flush();
    }

    private void carry(List<Message.Report> batch) {
        expectOk(ask(new Message.Reports(generation.number(), rank, batch)));
    }

    /**
     * Asks the driver's {@link RequestHandler} and waits for the answer, bounded.
     *
     * @throws IllegalStateException when the handler threw, or did not answer in time
     */
    public byte[] request(String topic, byte[] payload) {
        reports.flush();
        long id = requestIds.incrementAndGet();
        expectOk(ask(new Message.Request(generation.number(), rank, id, topic, payload)));
        long end = System.nanoTime() + limits.request() * 1_000_000L;
        while (System.nanoTime() - end < 0) {
            Reply reply = ask(new Message.Poll(generation.number(), rank, id));
            if (reply instanceof Reply.Answer answer) {
                return answer.payload();
            }
            if (reply instanceof Reply.Refused refused) {
                throw new IllegalStateException("the driver failed on '" + topic + "': " + refused.reason());
            }
            sleep();
        }
        throw new IllegalStateException("the driver did not answer '" + topic + "' within " + limits.request() + " ms");
    }

    /** Joins the rendezvous and waits for the others, bounded by the driver's watchdog and an own limit. */
    Reply.Roster join(Peer self) {
        where = self.describe();
        heart.start();
        long end = System.nanoTime() + 2 * limits.rendezvous() * 1_000_000L;
        while (System.nanoTime() - end < 0) {
            Reply reply = ask(new Message.Join(generation.number(), rank, self));
            if (reply instanceof Reply.Roster roster) {
                return roster;
            }
            if (reply instanceof Reply.Refused refused) {
                throw new IllegalStateException(refused.reason());
            }
            sleep();
        }
        throw new IllegalStateException(
                "rendezvous: the other ranks did not join within " + limits.rendezvous() + " ms");
    }

    Group group(List<Peer> peers) {
        return new Group(generation.number(), rank, peers, limits.allReduce(), this::waitForPeers);
    }

    private void waitForPeers() {
        waitedAt = System.nanoTime();
        check();
    }

    /**
     * Whether the cluster has room for more ranks than this generation has, so that it should end at the checkpoint at
     * hand. If so the body must have a checkpoint committed and return, on all ranks; what it returns is dropped, and
     * the next generation goes on with more ranks. One rank asks and tells the others.
     */
    public boolean mayEnd() {
        return ask(new Message.MayEnd(generation.number(), rank)) instanceof Reply.Ok;
    }

    /** One object of this executor process, which outlives the generation; null at first. */
    public AtomicReference<Object> keepsake() {
        return CoordinatorPlugin.keepsake();
    }

    /** Whether the driver has told this rank to stop. */
    boolean mustStop() {
        return stopReason != null;
    }

    void failed(FirstCause cause, Message.Failed.Kind kind) {
        try {
            // An interrupt that is still pending would break off the message.
            Thread.interrupted();
            if (stopReason == null) {
                flushQuietly();
            }
            CoordinatorPlugin.ask(new Message.Failed(generation.number(), rank, cause, kind));
        } catch (Exception e) {
            LOG.error("rank {} could not tell the driver of its failure: {}", rank, cause.what(), e);
        }
    }

    /** What led to a failure is worth knowing, though less than the failure. */
    private void flushQuietly() {
        try {
            reports.flush();
        } catch (RuntimeException e) {
            LOG.warn("rank {} could not send its last reports: {}", rank, e.toString());
        }
    }

    private Reply ask(Message message) {
        check();
        Reply reply;
        try {
            reply = CoordinatorPlugin.ask(message);
        } catch (FatalJobException e) {
            throw e;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new FencedException("Spark cancelled the task of rank " + rank);
        } catch (Exception e) {
            throw new IllegalStateException("rank " + rank + " cannot reach the driver: " + e, e);
        }
        if (reply instanceof Reply.Stop stop) {
            stop(stop.reason());
            check();
        }
        return reply;
    }

    private static void expectOk(Reply reply) {
        if (reply instanceof Reply.Refused refused) {
            throw new FatalJobException(refused.reason());
        }
    }

    private void beat() {
        long lastAnswer = System.nanoTime();
        while (!closed && stopReason == null) {
            try {
                boolean waiting = System.nanoTime() - waitedAt < WAITING_NANOS;
                Reply reply = CoordinatorPlugin.ask(
                        new Message.Heartbeat(generation.number(), rank, step, stage, moves.get(), waiting));
                lastAnswer = System.nanoTime();
                if (reply instanceof Reply.Stop stop) {
                    stop(stop.reason());
                }
                Thread.sleep(limits.heartbeat());
            } catch (InterruptedException e) {
                return;
            } catch (Exception e) {
                if (System.nanoTime() - lastAnswer > limits.silence() * 1_000_000L) {
                    stop("the driver has not answered for " + limits.silence() + " ms: " + e);
                }
                LOG.warn("heartbeat of rank {} failed: {}", rank, e.toString());
                pauseBetweenBeats();
            }
        }
        if (!closed) {
            endProcessUnlessClosed();
        }
    }

    private void pauseBetweenBeats() {
        try {
            Thread.sleep(limits.heartbeat());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void stop(String reason) {
        if (stopReason == null && !closed) {
            stopReason = "rank " + rank + " of generation " + generation.number() + " must stop: " + reason;
            owner.interrupt();
        }
    }

    private void endProcessUnlessClosed() {
        try {
            Thread.sleep(limits.stop());
        } catch (InterruptedException e) {
            return;
        }
        if (!closed) {
            endProcess(stopReason + "; it did not leave within " + limits.stop() + " ms");
        }
    }

    /** The last resort where native code does not leave off: ends this executor at once, though never the driver. */
    public void endProcess(String reason) {
        if (!SparkEnv.get().executorId().equals("driver")) {
            LOG.error("{}; ending this executor", reason);
            Runtime.getRuntime().halt(EXIT_FENCED);
        }
    }

    private void sleep() {
        try {
            Thread.sleep(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new FencedException("rank " + rank + " was interrupted while it waited for the driver");
        }
    }

    /** Says that this rank has finished its work. */
    void left() {
        reports.flush();
        expectOk(ask(new Message.Left(generation.number(), rank)));
    }

    @Override
    public void close() {
        closed = true;
        heart.interrupt();
        reports.close();
    }
}
