package dev.kindling.coordinate;

import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.coordinate.message.Limits;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.resource.ResourceProfile;

/** Waits, bounded, until the cluster offers a slot for every rank: Spark itself would wait for minutes or for ever. */
final class ExecutorSlots {
    private static final long POLL_MILLIS = 50;
    private static final long ROOM_MILLIS = 1_000;

    private final JavaSparkContext sc;
    private final GenerationPlan plan;
    private final ResourceProfile resources;

    /** @param resources of a rank */
    ExecutorSlots(JavaSparkContext sc, GenerationPlan plan, ResourceProfile resources) {
        this.sc = sc;
        this.plan = plan;
        this.resources = resources;
    }

    /**
     * The number of ranks to start: the wanted one; once ranks were lost, after the bound, what is there if that is
     * enough.
     *
     * @param first whether the job has not run yet, and so needs all of its ranks
     */
    int await(boolean first) {
        long end = System.nanoTime() + plan.limits().slots() * 1_000_000L;
        int offered = offered();
        while (offered < plan.worldSize() && System.nanoTime() - end < 0) {
            try {
                Thread.sleep(POLL_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new FatalJobException("the driver was interrupted while it waited for executors", e);
            }
            offered = offered();
        }
        if (offered >= plan.worldSize()) {
            return plan.worldSize();
        }
        if (!first && offered >= plan.minWorldSize()) {
            return offered;
        }
        throw new FatalJobException("the cluster " + sc.master() + " offers " + offered + " of the " + plan.worldSize()
                + " slots that " + plan.worldSize() + " ranks need (waited "
                + plan.limits().slots()
                + " ms; " + Limits.SLOTS
                + " is the bound); start more executors, free busy ones, or lower --executors to "
                + Math.max(1, offered));
    }

    /** The number of ranks that could run now, up to the wanted one, this application's running ones included. */
    int now() {
        return Math.min(offered(), plan.worldSize());
    }

    /** The number of ranks that could run in the whole cluster, this application's running ones included. */
    int offered() {
        return sc.sc().maxNumConcurrentTasks(resources);
    }

    /** Watches whether there comes room for more ranks than a generation has. */
    RoomWatch watch(GenerationState state) {
        return new RoomWatch(state);
    }

    /** Looks, now and then, whether there is room for more ranks; seen twice in a row it counts. */
    final class RoomWatch {
        private final GenerationState state;
        private long looked = System.nanoTime();
        private boolean seen;

        private RoomWatch(GenerationState state) {
            this.state = state;
        }

        void look() {
            int worldSize = state.generation().worldSize();
            if (worldSize < plan.worldSize() && Watchdog.millisSince(looked) > ROOM_MILLIS) {
                looked = System.nanoTime();
                boolean more = now() > worldSize;
                state.room(more && seen);
                seen = more;
            }
        }
    }
}
