package dev.kindling.coordinate.message;

import java.io.Serializable;
import org.apache.spark.SparkConf;

/**
 * How long each stage may take, in milliseconds. Nothing waits longer than its bound.
 *
 * @param slots until the cluster offers one slot a rank
 * @param rendezvous until every rank has joined, once the job is submitted
 * @param firstStep without progress before the first step (device, loading, compilation)
 * @param step without progress after that: neither a step nor another stage (the stall watchdog)
 * @param allReduce one wait for peers in a collective
 * @param request one request to the driver, such as the commit of a checkpoint
 * @param heartbeat between two heartbeats
 * @param silence without a heartbeat, after which a rank counts as lost; more for one whose heartbeats come late
 * @param stop for the ranks of a failed generation to leave; then their processes are ended
 */
public record Limits(
        long slots,
        long rendezvous,
        long firstStep,
        long step,
        long allReduce,
        long request,
        long heartbeat,
        long silence,
        long stop)
        implements Serializable {

    /**
     * While training goes on, until a checkpoint has been written and committed. The peers of a rank that waits for it wait
     * in a collective, so it is the bound of that: the one that knows what it waits for says so first.
     */
    public long checkpoint() {
        return Math.min(request, allReduce);
    }

    /** For real clusters: 60 s for slots and rendezvous, 10 min for a step, 5 s of silence. */
    public static Limits standard() {
        return new Limits(60_000, 60_000, 600_000, 600_000, 300_000, 600_000, 200, 5_000, 10_000);
    }

    /** These with another bound of {@link #silence}. */
    public Limits withSilence(long millis) {
        return new Limits(slots, rendezvous, firstStep, step, allReduce, request, heartbeat, millis, stop);
    }

    /** The setting of {@link #slots}, for clusters whose executors come slowly: a time as Spark writes it ("5min"). */
    public static final String SLOTS = "spark.kindling.slots.timeout";
    /** The setting of {@link #rendezvous}. */
    public static final String RENDEZVOUS = "spark.kindling.rendezvous.timeout";
    /** The setting of {@link #firstStep}. */
    public static final String FIRST_STEP = "spark.kindling.firstStep.timeout";
    /** The setting of {@link #step}. */
    public static final String STEP = "spark.kindling.step.timeout";
    /** The setting of {@link #allReduce}. */
    public static final String ALLREDUCE = "spark.kindling.allreduce.timeout";
    /** The setting of {@link #stop}. */
    public static final String STOP = "spark.kindling.stop.timeout";

    /** The standard limits, with what {@code conf} says of them. */
    public static Limits of(SparkConf conf) {
        Limits standard = standard();
        return new Limits(
                conf.getTimeAsMs(SLOTS, standard.slots + "ms"),
                conf.getTimeAsMs(RENDEZVOUS, standard.rendezvous + "ms"),
                conf.getTimeAsMs(FIRST_STEP, standard.firstStep + "ms"),
                conf.getTimeAsMs(STEP, standard.step + "ms"),
                conf.getTimeAsMs(ALLREDUCE, standard.allReduce + "ms"),
                standard.request,
                standard.heartbeat,
                standard.silence,
                conf.getTimeAsMs(STOP, standard.stop + "ms"));
    }
}
