package dev.kindling.coordinate;

import dev.kindling.allreduce.ReduceServer;
import dev.kindling.allreduce.link.Peer;
import dev.kindling.config.ConfigException;
import dev.kindling.coordinate.message.DriverReply;
import dev.kindling.coordinate.message.FatalJobException;
import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.GenerationFailedException;
import dev.kindling.coordinate.message.GenerationsResult;
import dev.kindling.coordinate.message.NewestState;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaFutureAction;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.resource.ResourceProfile;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

/**
 * The driver's loop of generations: one barrier job after another, each from the newest step that its ranks hold or that
 * is committed, until one runs to its end, an error is final, or {@code maxAttempts} in a row got no further. A generation of
 * fewer ranks than wanted ends at its next checkpoint once the cluster has room for more.
 */
public final class Generations {
    private static final Logger LOG = LoggerFactory.getLogger(Generations.class);
    private static final String INTERRUPT = "spark.job.interruptOnCancel";
    private static final List<String> LOCAL_PROPERTIES =
            List.of(INTERRUPT, ClusterListener.GENERATION, "spark.job.description");

    private static final long WATCH_MILLIS = 50;
    /** For news of a process that ended itself to reach the driver. */
    private static final long LEAVE_SLACK_MILLIS = 1_000;
    /** How long a failed Spark job waits for the rank's own account of the failure. */
    private static final long EXPLANATION_MILLIS = 2_500;

    private final JavaSparkContext sc;
    private final Coordinator coordinator;
    private final GenerationPlan plan;
    private final ResourceProfile resources;
    private final ExecutorSlots slots;
    private int number;
    private GenerationEnd before; // null in the first generation

    public Generations(JavaSparkContext sc, Coordinator coordinator, GenerationPlan plan) {
        this.sc = sc;
        this.coordinator = coordinator;
        this.plan = plan;
        this.resources = RankResources.of(sc.sc());
        this.slots = new ExecutorSlots(sc, plan, resources);
    }

    /**
     * Runs the job to its end.
     *
     * @throws ConfigException if a rank has found the configuration, or a path that the user named, to be at fault
     * @throws FatalJobException an error that no attempt can cure, such as too few slots or one thrown by a rank
     * @throws GenerationFailedException too many attempts without progress; the message is the first cause
     */
    public GenerationsResult run(GenerationBody body, Progress progress) {
        Map<String, String> before = new HashMap<>();
        LOCAL_PROPERTIES.forEach(key -> before.put(key, sc.getLocalProperty(key)));
        try {
            return runAll(body, progress);
        } finally { // the thread is the caller's, who may go on with jobs of other kinds
            before.forEach(sc::setLocalProperty);
        }
    }

    private GenerationsResult runAll(GenerationBody body, Progress progress) {
        List<Generation> generations = new ArrayList<>();
        List<FirstCause> failures = new ArrayList<>();
        long reached = progress.committedStep();
        long start = reached;
        int attempt = 1;
        int worldSize = slots.await(true);
        while (true) {
            requireLasting();
            GenerationEnd ended = runOne(new Generation(++number, worldSize, start, attempt), body, progress);
            Generation generation = ended.generation;
            generations.add(generation);
            if (ended.failure == null && !ended.forMoreRanks) {
                return new GenerationsResult(ended.result, generations, failures);
            }
            if (ended.failure != null) {
                failures.add(ended.failure);
                progress.failed(generation, ended.failure);
            }
            if (ended.failure != null && ended.failure.fatal()) {
                LOG.warn("Generation {} failed for good: {}", generation.number(), ended.failure.describe());
                throw ended.failure.usage()
                        ? new ConfigException(ended.failure.describe())
                        : new FatalJobException(ended.failure.describe());
            }
            start = progress.committedStep();
            long furthest = Math.max(start, generation.startStep());
            attempt = furthest > reached ? 1 : attempt + 1;
            reached = Math.max(reached, furthest);
            if (ended.failure == null) {
                worldSize = Math.max(worldSize, slots.now());
            } else {
                requireAnotherAttempt(ended.failure, attempt, furthest);
                LOG.error("Generation {} failed: {}", generation.number(), ended.failure.describe());
                worldSize = slots.await(false);
            }
            before = ended;
        }
    }

    /** What fails while the driver's process ends fails since it does. */
    private void requireLasting() {
        if (coordinator.awaitEnding()) {
            throw new FatalJobException("the driver was told to end; go on with --resume");
        }
    }

    private void requireAnotherAttempt(FirstCause failure, int attempt, long start) {
        if (attempt > plan.maxAttempts()) {
            LOG.warn("Generation {} failed, the last attempt: {}", number, failure.describe());
            throw new GenerationFailedException(failure.describe() + " (" + plan.maxAttempts()
                    + " attempt(s) from step " + start + " without progress)");
        }
    }

    /**
     * How a generation has ended.
     *
     * @param generation with the step that it has really begun from
     * @param newestStep that a rank has told of
     * @param forMoreRanks the ranks have ended at a checkpoint so that more of them can go on
     */
    private record GenerationEnd(
            Generation generation, long newestStep, byte[] result, FirstCause failure, boolean forMoreRanks) {
        GenerationEnd(GenerationState state, byte[] result, FirstCause failure, boolean forMoreRanks) {
            this(state.generation(), state.newestStep(), result, failure, forMoreRanks);
        }

        String ending() {
            return failure == null ? "executors came back" : failure.describe();
        }
    }

    private GenerationEnd runOne(Generation generation, GenerationBody body, Progress progress) {
        boolean star = plan.transport() == Transport.DRIVER && generation.worldSize() > 1;
        ReduceServer server =
                star ? new ReduceServer(generation.number(), generation.worldSize(), plan.maxElements()) : null;
        Spares spares = new Spares(sc, resources, plan.spares(), coordinator.job(), body);
        try {
            Peer reducer =
                    star ? new Peer(-1, server.host(), server.port(), "driver", "") : new Peer(-1, "", 0, "driver", "");
            GenerationState state = new GenerationState(generation, plan.limits(), reducer);
            coordinator.open(state);
            return watch(state, progress, submit(generation, body), spares);
        } finally {
            spares.end();
            coordinator.shut("generation " + generation.number() + " is over");
            if (server != null) {
                server.close();
            }
        }
    }

    private JavaFutureAction<List<byte[]>> submit(Generation generation, GenerationBody body) {
        sc.setLocalProperty(INTERRUPT, "true");
        sc.setLocalProperty(ClusterListener.GENERATION, String.valueOf(generation.number()));
        sc.setJobDescription("Kindling generation " + generation.number() + ": " + generation.worldSize() + " rank(s)");
        List<Integer> ranks = IntStream.range(0, generation.worldSize()).boxed().toList();
        RankTask task = new RankTask(generation, coordinator.job(), plan, body);
        ClassTag<byte[]> bytes = ClassTag$.MODULE$.apply(byte[].class);
        return sc.parallelize(new ArrayList<>(ranks), ranks.size())
                .rdd()
                .withResources(resources)
                .barrier()
                .mapPartitions(task, false, bytes)
                .toJavaRDD()
                .collectAsync();
    }

    private GenerationEnd watch(
            GenerationState state, Progress progress, JavaFutureAction<List<byte[]>> job, Spares spares) {
        FirstCause failure = null;
        Beginning beginning = new Beginning(state, progress);
        ExecutorSlots.RoomWatch room = slots.watch(state);
        DelayNotices delays =
                new DelayNotices(coordinator, state, progress, 3 * plan.limits().silence());
        while (failure == null) {
            try {
                List<byte[]> results = job.get(WATCH_MILLIS, TimeUnit.MILLISECONDS);
                beginning.end();
                return new GenerationEnd(state, results.isEmpty() ? new byte[0] : results.get(0), null, state.ending());
            } catch (TimeoutException e) {
                failure = state.problem().orElse(null);
                beginning.look();
                room.look();
                spares.look(slots, state);
                delays.look();
            } catch (ExecutionException e) {
                failure = explain(state, e.getCause());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                failure = new FirstCause(-1, "", "the driver was interrupted", "", true);
            }
        }
        beginning.end();
        requireLasting();
        state.stop(failure.describe());
        job.cancel(true);
        awaitLeave(state);
        return new GenerationEnd(state, null, failure, false);
    }

    /** Tells, once, from which step a generation goes on, and what the one before has cost. */
    private final class Beginning {
        private final GenerationState state;
        private final Progress progress;
        private boolean told;

        Beginning(GenerationState state, Progress progress) {
            this.state = state;
            this.progress = progress;
        }

        void look() {
            Optional<DriverReply.Start> start = state.start();
            if (told || start.isEmpty()) {
                return;
            }
            end();
            if (before != null) {
                long lost = Math.max(0, before.newestStep() - start.get().step());
                String how = before.ending() + "; " + NewestState.describe(start.get(), lost);
                LOG.warn("Generation {}: {}", state.generation().number(), how);
                progress.goesOn(state.generation(), how, lost);
            }
        }

        /** It is over, or known where it begins. */
        void end() {
            if (!told) {
                told = true;
                progress.started(state.generation());
            }
        }
    }

    /** Spark says that the job failed; the rank or the listener may say why a moment later. */
    private FirstCause explain(GenerationState state, Throwable sparkFailure) {
        long end = System.nanoTime() + EXPLANATION_MILLIS * 1_000_000L;
        Optional<FirstCause> known = state.problem();
        while (known.isEmpty()
                && System.nanoTime() - end < 0
                && !Thread.currentThread().isInterrupted()) {
            pause();
            known = state.problem();
        }
        String what =
                String.valueOf(sparkFailure.getMessage()).lines().findFirst().orElse("Spark job failed");
        return known.orElseGet(() -> new FirstCause(-1, "", what, "", false));
    }

    /**
     * A rank that is alive leaves, or ends its process, within the bound; a frozen one can do neither, and would keep
     * its slot until Spark misses it after minutes, so its executor is replaced.
     */
    private void awaitLeave(GenerationState state) {
        long end = System.nanoTime() + (plan.limits().stop() + LEAVE_SLACK_MILLIS) * 1_000_000L;
        while (state.someMayLeave()
                && System.nanoTime() - end < 0
                && !Thread.currentThread().isInterrupted()) {
            pause();
        }
        for (String executor : state.executorsNotLeft()) {
            if (!executor.equals("driver")) {
                LOG.warn(
                        "executor {} did not leave generation {}: replacing it",
                        executor,
                        state.generation().number());
                sc.sc().killAndReplaceExecutor(executor);
            }
        }
    }

    private static void pause() {
        LockSupport.parkNanos(WATCH_MILLIS * 1_000_000L); // returns at once while an interrupt is pending
    }
}
