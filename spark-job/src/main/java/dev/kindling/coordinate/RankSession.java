package dev.kindling.coordinate;

import dev.kindling.allreduce.link.Group;
import dev.kindling.allreduce.link.Peer;
import dev.kindling.coordinate.message.DriverReply;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.coordinate.message.FencedException;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.HeldState;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.coordinate.message.RankMessage;
import dev.kindling.coordinate.message.Topic;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.spark.TaskContext;

/**
 * What a rank knows of its generation, and its line to the driver, for as long as its task runs. Used by the rank's thread;
 * {@link #check}, {@link #request} and {@link #endProcess} by others, too. Every wait is bounded.
 */
public final class RankSession implements AutoCloseable {
    private static final long POLL_MILLIS = 10;
    /** Between two questions whether the driver takes reports again. */
    private static final long BUSY_MILLIS = 100;

    private volatile Generation generation;
    private final String job;
    private final Limits limits;
    private final int rank;
    private final Heartbeat heartbeat;
    private final ReportQueue reports;
    private final AtomicLong requestIds = new AtomicLong();
    private final RankTask.FailureAccount account;
    private String where = "";

    /** Of the rank that the calling thread runs. */
    RankSession(Generation generation, String job, Limits limits, int rank) {
        this.generation = generation;
        this.job = job;
        this.limits = limits;
        this.rank = rank;
        this.heartbeat = new Heartbeat(generation, limits, rank);
        this.reports = new ReportQueue(
                "kindling-reports-" + generation.number() + "-" + rank,
                ReportQueue.periodMillis(generation.worldSize()),
                this::send);
        this.account = new RankTask.FailureAccount(this, TaskContext.get());
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

    /** The step to start from: that of the last checkpoint or, after {@link #begin}, what the ranks have agreed. */
    public long startStep() {
        return generation.startStep();
    }

    /**
     * Says what this process holds of the job and waits, bounded, until all ranks have. What they begin with is the newest
     * step of which they hold all parts together, or the last checkpoint where that is newer.
     */
    public DriverReply.Start begin(HeldState held) {
        long end = System.nanoTime() + limits.firstStep() * 1_000_000L;
        while (System.nanoTime() - end < 0) {
            DriverReply reply = ask(new RankMessage.Holds(generation.number(), rank, held));
            if (reply instanceof DriverReply.Start start) {
                generation = generation.startingAt(start.step());
                return start;
            }
            sleep(Math.max(POLL_MILLIS, generation.worldSize()));
        }
        throw new IllegalStateException(
                "the other ranks did not say what they hold within " + limits.firstStep() + " ms");
    }

    /** Where this process keeps something for the job's next generation. */
    public JobPlace place() {
        return new JobPlace(job);
    }

    /** The bound of every wait. */
    public Limits limits() {
        return limits;
    }

    /** Says that {@code step} is done; the stall watchdog starts anew. Throws as {@link #check()}. Cheap. */
    public void stepReached(long step) {
        heartbeat.stepReached(step);
    }

    /**
     * Names what this rank does now ("checkpoint", "evaluation"), for the watchdog's message; restarts its clock. A long
     * "waiting for ..." is told to the user.
     */
    public void enter(String stage) {
        heartbeat.enter(stage);
    }

    /**
     * Returns when all is well. Call it often; cheap.
     *
     * @throws FencedException when this rank must stop
     */
    public void check() {
        heartbeat.check();
    }

    /** Registers the GPU this rank computes on. Two ranks on one GPU is an error of the job. */
    public void claimGpu(String uuid) {
        requireTaken(ask(new RankMessage.ClaimGpu(generation.number(), rank, uuid)));
    }

    /**
     * Sends something to the driver's {@link TopicHandlers} without waiting for it; kept in order, also with requests.
     * Throws as {@link #check()}, and what an earlier report has failed with.
     */
    public <T> void report(Topic<T> topic, T value) {
        check();
        reports.add(topic.wrap(value));
    }

    /** Waits until the driver has all reports of this rank. */
    public void flushReports() {
        reports.flush();
    }

    private void send(List<Topic.Value> batch) {
        RankMessage.Reports reports = new RankMessage.Reports(generation.number(), rank, batch);
        DriverReply reply = ask(reports);
        while (reply instanceof DriverReply.Waiting) { // for a handler that takes long; the watchdog's bound ends it
            sleep(Math.max(BUSY_MILLIS, generation.worldSize()));
            reply = ask(reports);
        }
        requireTaken(reply);
    }

    /**
     * Sends something to the driver's {@link TopicHandlers} and waits, bounded, until they have handled it.
     *
     * @throws FatalJobException when the handler threw one
     * @throws IllegalStateException when the handler threw something else, or did not return in time
     */
    public <T> void request(Topic<T> topic, T value) {
        reports.flush();
        long id = requestIds.incrementAndGet();
        requireTaken(ask(new RankMessage.Request(generation.number(), rank, id, topic.wrap(value))));
        long end = System.nanoTime() + limits.request() * 1_000_000L;
        while (System.nanoTime() - end < 0) {
            DriverReply reply = ask(new RankMessage.IsHandled(generation.number(), rank, id));
            if (reply instanceof DriverReply.Ok) {
                return;
            }
            if (reply instanceof DriverReply.HandlerFailed failed) {
                String message = "the driver failed on '" + topic.name() + "': " + failed.reason();
                throw failed.fatal() ? new FatalJobException(message) : new IllegalStateException(message);
            }
            sleep(POLL_MILLIS);
        }
        throw new IllegalStateException(
                "the driver has not done '" + topic.name() + "' within " + limits.request() + " ms");
    }

    /** Joins the rendezvous and waits for the others, bounded by the driver's watchdog and an own limit. */
    DriverReply.Roster join(Peer self) {
        where = self.describe();
        heartbeat.start();
        long end = System.nanoTime() + 2 * limits.rendezvous() * 1_000_000L;
        while (System.nanoTime() - end < 0) {
            DriverReply reply = ask(new RankMessage.Join(generation.number(), rank, self));
            if (reply instanceof DriverReply.Roster roster) {
                return roster;
            }
            requireTaken(reply);
            sleep(Math.max(POLL_MILLIS, generation.worldSize())); // no more than 1,000 questions a second of all ranks
        }
        throw new IllegalStateException(
                "rendezvous: the other ranks did not join within " + limits.rendezvous() + " ms");
    }

    Group group(List<Peer> peers) {
        return new Group(generation.number(), rank, peers, limits.allReduce(), heartbeat::waitsForPeers);
    }

    /**
     * Whether the cluster has room for more ranks than this generation has, so that it should end at the checkpoint at
     * hand. If so the body must have a checkpoint committed and return, on all ranks; what it returns is dropped, and
     * the next generation goes on with more ranks. One rank asks and tells the others.
     */
    public boolean mayEnd() {
        return ask(new RankMessage.MayEnd(generation.number(), rank)) instanceof DriverReply.Ok;
    }

    /** Says that a finished step is of use only where all ranks have finished it. */
    public void finishesStepsTogether() {
        heartbeat.finishesStepsTogether();
    }

    /** Has this rank leave now that its driver is gone: after its step where ranks finish steps together, else at once. */
    void orphaned() {
        heartbeat.orphaned();
    }

    /** Has this rank leave at once, as by an order of the driver's. */
    void stop(String reason) {
        heartbeat.stop(reason);
    }

    /** Whether the driver has told this rank to stop. */
    boolean mustStop() {
        return heartbeat.mustStop();
    }

    /**
     * Tells the driver at once why this rank fails, once: call it before what it holds is let go of, which takes its time
     * with GPUs, so that the others learn of it. A failure that leaves the body is told anyway.
     */
    public void failing(Throwable failure) {
        account.tell(failure);
    }

    private DriverReply ask(RankMessage message) {
        check();
        DriverReply reply;
        try {
            reply = CoordinatorEndpoint.ask(message);
        } catch (FatalJobException e) {
            throw e;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new FencedException("Spark cancelled the task of rank " + rank);
        } catch (Exception e) {
            throw new IllegalStateException("rank " + rank + " cannot reach the driver: " + e, e);
        }
        if (reply instanceof DriverReply.Stop order) {
            heartbeat.stop(order.reason());
            check();
        }
        return reply;
    }

    private static void requireTaken(DriverReply reply) {
        if (reply instanceof DriverReply.Refused refused) {
            throw new FatalJobException(refused.reason());
        }
    }

    /** The last resort where native code does not leave off: ends this executor at once, though never the driver. */
    public void endProcess(String reason) {
        ExecutorProcess.end(reason);
    }

    private void sleep(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new FencedException("rank " + rank + " was interrupted while it waited for the driver");
        }
    }

    /** Says that this rank has finished its work. */
    void left() {
        reports.flush();
        requireTaken(ask(new RankMessage.Left(generation.number(), rank)));
    }

    @Override
    public void close() {
        heartbeat.close();
        reports.close();
    }
}
