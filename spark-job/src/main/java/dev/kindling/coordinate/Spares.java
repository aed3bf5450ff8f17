package dev.kindling.coordinate;

import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaFutureAction;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.resource.ResourceProfile;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.collection.Iterator;
import scala.jdk.javaapi.CollectionConverters;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;
import scala.runtime.AbstractFunction1;

/**
 * Makes the executors that no rank of a generation runs on ready to take a lost rank's seat: a Spark job of its own calls
 * {@link GenerationBody#prepare} on them, and again when another executor has come. Used by the thread of the loop of
 * generations.
 */
final class Spares {
    private static final Logger LOG = LoggerFactory.getLogger(Spares.class);
    private static final long LOOK_MILLIS = 1_000;

    private final JavaSparkContext sc;
    private final ResourceProfile resources;
    private final Task task;
    private final int most;
    private final Set<String> ready = new HashSet<>();
    private long looked = System.nanoTime();
    private JavaFutureAction<List<byte[]>> job;
    private boolean given;

    /**
     * Of a generation.
     *
     * @param most how many executors are wanted; 0 for none
     */
    Spares(JavaSparkContext sc, ResourceProfile resources, int most, String job, GenerationBody body) {
        this.sc = sc;
        this.resources = resources;
        this.most = most;
        this.task = new Task(job, body);
    }

    /**
     * Has executors made ready that are not yet; never waits.
     *
     * @param slots where ranks could run
     * @param ranks that do; they need their slots first
     */
    void look(ExecutorSlots slots, GenerationState ranks) {
        if (given || most == 0 || ranks.start().isEmpty() || Watchdog.millisSince(looked) < LOOK_MILLIS) {
            return;
        }
        looked = System.nanoTime();
        if (job != null && job.isDone()) {
            take();
        }
        int idle = Math.min(most, slots.offered() - ranks.generation().worldSize());
        if (job == null && !given && idle > ready.size()) {
            submit(idle);
        }
    }

    private void take() {
        try {
            Set<String> executors = job.get().stream()
                    .map(id -> new String(id, StandardCharsets.UTF_8))
                    .collect(Collectors.toSet());
            if (ready.addAll(executors)) {
                LOG.info("ready to take a lost seat: executor(s) {}", ready);
            }
        } catch (ExecutionException | CancellationException e) {
            given = true; // until the next generation
            LOG.warn("an executor could not be made ready as a spare: {}", e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        job = null;
    }

    private void submit(int number) {
        String generation = sc.getLocalProperty(ClusterListener.GENERATION);
        sc.setLocalProperty(ClusterListener.GENERATION, null);
        sc.setJobDescription("Kindling spares: " + number + " executor(s)");
        try {
            ClassTag<byte[]> bytes = ClassTag$.MODULE$.apply(byte[].class);
            job = sc.parallelize(IntStream.range(0, number).boxed().toList(), number)
                    .rdd()
                    .withResources(resources)
                    .mapPartitions(task, false, bytes)
                    .toJavaRDD()
                    .collectAsync();
        } finally {
            sc.setLocalProperty(ClusterListener.GENERATION, generation);
        }
    }

    /** The generation is over: what is not ready leaves its executor to the next one. */
    void end() {
        if (job != null) {
            job.cancel(true);
        }
    }

    /** On a spare executor. */
    private static final class Task extends AbstractFunction1<Iterator<Integer>, Iterator<byte[]>>
            implements Serializable {
        private static final long serialVersionUID = 1L;

        private final String job;
        private final GenerationBody body;

        Task(String job, GenerationBody body) {
            this.job = job;
            this.body = body;
        }

        @Override
        public Iterator<byte[]> apply(Iterator<Integer> numbers) {
            try {
                body.prepare(new JobPlace(job));
            } catch (Exception e) {
                throw new IllegalStateException(e.toString(), e);
            }
            byte[] id = SparkEnv.get().executorId().getBytes(StandardCharsets.UTF_8);
            return CollectionConverters.asScala(List.of(id).iterator());
        }
    }
}
