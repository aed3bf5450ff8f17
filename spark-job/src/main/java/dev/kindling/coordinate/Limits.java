package dev.kindling.coordinate;

import java.io.Serializable;
import org.apache.spark.SparkConf;

/**
 * How long each stage may take, in milliseconds. Nothing waits longer than its bound.
 *
 * @param slots until the cluster offers one slot a rank
 * @param rendezvous until every rank has joined, once the job is submitted
 * @param firstStep from the rendezvous until every rank has reached its first step (compilation, loading)
 * @param step between two steps of a rank (the stall watchdog)
 * @param allReduce one wait for peers in a collective
 * @param request one request to the driver, such as the commit of a checkpoint
 * @param heartbeat between two heartbeats
 * @param silence without a heartbeat, after which a rank counts as lost
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

    /** For real clusters: 60 s for slots and rendezvous, 10 min for a step, 15 s of silence. */
    public static Limits standard() {
        return new Limits(60_000, 60_000, 600_000, 600_000, 300_000, 600_000, 500, 15_000, 10_000);
    }

    /** The setting of {@link #slots}, for clusters whose executors come slowly: a time as Spark writes it ("5min"). */
    public static final String SLOTS = "spark.kindling.slots.timeout";

    /** The standard limits, with what {@code conf} says of the wait for slots. */
    public static Limits of(SparkConf conf) {
        Limits standard = standard();
        return new Limits(
                conf.getTimeAsMs(SLOTS, standard.slots + "ms"),
                standard.rendezvous,
                standard.firstStep,
                standard.step,
                standard.allReduce,
                standard.request,
                standard.heartbeat,
                standard.silence,
                standard.stop);
    }
}
