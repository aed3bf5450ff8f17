package dev.kindling.coordinate;

import dev.kindling.allreduce.Peer;
import dev.kindling.allreduce.ReduceServer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaFutureAction;
import org.apache.spark.api.java.JavaSparkContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

/**
 * The driver's loop of generations: one barrier job after another, each from the last committed step, until one runs
 * to its end, an error is final, or {@code maxAttempts} generations in a row have committed nothing.
 */
public final class Generations {
    private static final Logger LOG = LoggerFactory.getLogger(Generations.class);
    private static final long WATCH_MILLIS = 50;
    /** For news of a process that ended itself to reach the driver. */
    private static final long LEAVE_SLACK_MILLIS = 1_000;
    /** How long a failed Spark job waits for the rank's own account of it. */
    private static final long ACCOUNT_MILLIS = 2_500;

    private final JavaSparkContext sc;
    private final Coordinator coordinator;
    private final Plan plan;
    private final Slots slots;
    private int number;

    public Generations(JavaSparkContext sc, Coordinator coordinator, Plan plan) {
        this.sc = sc;
        this.coordinator = coordinator;
        this.plan = plan;
        this.slots = new Slots(sc, plan);
    }

    /**
     * Runs the job to its end.
     *
     * @throws FatalJobException an error that no attempt can cure, such as too few slots or one thrown by a rank
     * @throws GenerationFailedException too many attempts without progress; the message is the first cause
     */
    public Outcome run(GenerationBody body, Progress progress) {
        List<Generation> generations = new ArrayList<>();
        List<FirstCause> failures = new ArrayList<>();
        long start = progress.committedStep();
        int attempt = 1;
        while (true) {
            Generation generation = new Generation(++number, slots.await(generations.isEmpty()), start, attempt);
            generations.add(generation);
            progress.started(generation);
            Attempt ended = runOne(generation, body);
            if (ended.failure == null) {
                return new Outcome(ended.result, generations, failures);
            }
            failures.add(ended.failure);
            progress.failed(generation, ended.failure);
            if (ended.failure.fatal()) {
                throw new FatalJobException(ended.failure.describe());
            }
            long committed = progress.committedStep();
            attempt = committed > start ? 1 : attempt + 1;
            start = committed;
            if (attempt > plan.maxAttempts()) {
                throw new GenerationFailedException(
                        ended.failure.describe() + " (" + plan.maxAttempts() + " attempt(s) from step " + start
                                + " without progress)",
                        ended.failure);
            }
            LOG.error(
                    "Generation {} failed: {}; going on from step {}",
                    generation.number(),
                    ended.failure.describe(),
                    start);
        }
    }

    private record Attempt(byte[] result, FirstCause failure) {}

    private Attempt runOne(Generation generation, GenerationBody body) {
        boolean star = plan.transport() == Transport.DRIVER && generation.worldSize() > 1;
        ReduceServer server =
                star ? new ReduceServer(generation.number(), generation.worldSize(), plan.maxElements()) : null;
        try {
            Peer reducer =
                    star ? new Peer(-1, server.host(), server.port(), "driver", "") : new Peer(-1, "", 0, "driver", "");
            Board board = new Board(generation, plan.limits(), reducer);
            coordinator.open(board);
            return watch(board, submit(generation, body));
        } finally {
            coordinator.shut("generation " + generation.number() + " is over");
            if (server != null) {
                server.close();
            }
        }
    }

    private JavaFutureAction<List<byte[]>> submit(Generation generation, GenerationBody body) {
        sc.setLocalProperty("spark.job.interruptOnCancel", "true");
        sc.setJobDescription("Kindling generation " + generation.number() + ": " + generation.worldSize()
                + " rank(s) from step " + generation.startStep());
        List<Integer> ranks = IntStream.range(0, generation.worldSize()).boxed().toList();
        RankTask task = new RankTask(generation, plan, body);
        ClassTag<byte[]> bytes = ClassTag$.MODULE$.apply(byte[].class);
        return sc.parallelize(new ArrayList<>(ranks), ranks.size())
                .rdd()
                .barrier()
                .mapPartitions(task, false, bytes)
                .toJavaRDD()
                .collectAsync();
    }

    private Attempt watch(Board board, JavaFutureAction<List<byte[]>> job) {
        FirstCause failure = null;
        while (failure == null) {
            try {
                List<byte[]> results = job.get(WATCH_MILLIS, TimeUnit.MILLISECONDS);
                return new Attempt(results.isEmpty() ? new byte[0] : results.get(0), null);
            } catch (TimeoutException e) {
                failure = board.problem().orElse(null);
            } catch (ExecutionException e) {
                failure = account(board, e.getCause());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                failure = new FirstCause(-1, "", "the driver was interrupted", "", true);
            }
        }
        board.stop(failure.describe());
        job.cancel(true);
        awaitLeave(board);
        return new Attempt(null, failure);
    }

    /** Spark says that the job failed; the rank or the listener may say why a moment later. */
    private FirstCause account(Board board, Throwable sparkFailure) {
        long end = System.nanoTime() + ACCOUNT_MILLIS * 1_000_000L;
        Optional<FirstCause> known = board.problem();
        while (known.isEmpty()
                && System.nanoTime() - end < 0
                && !Thread.currentThread().isInterrupted()) {
            pause();
            known = board.problem();
        }
        String what =
                String.valueOf(sparkFailure.getMessage()).lines().findFirst().orElse("Spark job failed");
        return known.orElseGet(() -> new FirstCause(-1, "", what, "", false));
    }

    /**
     * A rank that is alive leaves, or ends its process, within the bound; a frozen one can do neither, and would keep
     * its slot until Spark misses it after minutes, so its executor is replaced.
     */
    private void awaitLeave(Board board) {
        long end = System.nanoTime() + (plan.limits().stop() + LEAVE_SLACK_MILLIS) * 1_000_000L;
        List<String> stayers = board.stayers();
        while (!stayers.isEmpty()
                && System.nanoTime() - end < 0
                && !Thread.currentThread().isInterrupted()) {
            pause();
            stayers = board.stayers();
        }
        for (String executor : stayers) {
            if (!executor.equals("driver")) {
                LOG.warn(
                        "executor {} did not leave generation {}: replacing it",
                        executor,
                        board.generation().number());
                sc.sc().killAndReplaceExecutor(executor);
            }
        }
    }

    private static void pause() {
        try {
            Thread.sleep(WATCH_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
