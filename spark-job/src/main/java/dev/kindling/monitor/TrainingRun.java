package dev.kindling.monitor;

import dev.kindling.monitor.TrainingEvent.CheckpointCommitted;
import dev.kindling.monitor.TrainingEvent.GenerationFailed;
import dev.kindling.monitor.TrainingEvent.GenerationStarted;
import dev.kindling.monitor.TrainingEvent.RunEnded;
import dev.kindling.monitor.TrainingEvent.RunStarted;
import dev.kindling.monitor.TrainingEvent.Steps;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.spark.util.kvstore.KVStore;
import org.apache.spark.util.kvstore.KVStoreIterator;

/**
 * A run as its events tell it. What a generation did beyond the step from which the next one started is forgotten, as in
 * metrics.jsonl. Not thread-safe.
 */
final class TrainingRun {
    /**
     * Means over the steps since the point before, up to {@code step}; the norm is the largest.
     *
     * @param rankTokensPerSecond as {@link Steps#rankTokensPerSecond}
     */
    record Point(
            long step,
            double loss,
            double lr,
            double gradNorm,
            double tokensPerSecond,
            List<Double> rankTokensPerSecond,
            Map<String, Double> millis) {}

    /** @param failure present once it has failed */
    record Attempt(GenerationStarted generation, Optional<GenerationFailed> failure) {}

    private final RunStarted started;
    private final List<Attempt> attempts = new ArrayList<>();
    private final TreeMap<Long, Point> points = new TreeMap<>();
    private final TreeMap<Long, Double> evaluations = new TreeMap<>();
    private final TreeMap<Long, CheckpointCommitted> checkpoints = new TreeMap<>();
    private RunEnded ended;

    private TrainingRun(RunStarted started) {
        this.started = started;
    }

    /** The runs of an application, in order. */
    static List<TrainingRun> readAll(KVStore store) {
        List<TrainingRun> runs = new ArrayList<>();
        try (KVStoreIterator<StoredEvent> events = store.view(StoredEvent.class).closeableIterator()) {
            while (events.hasNext()) {
                TrainingEvent event = events.next().event;
                if (event instanceof RunStarted start) {
                    runs.add(new TrainingRun(start));
                } else if (!runs.isEmpty()) {
                    runs.get(runs.size() - 1).add(event);
                }
            }
        } catch (Exception e) {
            throw new IllegalStateException("cannot read the training events of the Spark UI's store: " + e, e);
        }
        return runs;
    }

    private void add(TrainingEvent event) {
        if (event instanceof GenerationStarted generation) {
            attempts.add(new Attempt(generation, Optional.empty()));
            points.tailMap(generation.startStep(), false).clear();
            evaluations.tailMap(generation.startStep(), false).clear();
        } else if (event instanceof GenerationFailed failure) {
            attempts.replaceAll(attempt -> attempt.generation().number() == failure.number()
                    ? new Attempt(attempt.generation(), Optional.of(failure))
                    : attempt);
        } else if (event instanceof Steps steps) {
            add(steps);
        } else if (event instanceof CheckpointCommitted checkpoint) {
            checkpoints.put(checkpoint.step(), checkpoint);
        } else if (event instanceof RunEnded end) {
            ended = end;
        }
    }

    private void add(Steps steps) {
        for (int i = 0; i < steps.step().length; i++) {
            int index = i;
            Map<String, Double> millis = new LinkedHashMap<>();
            steps.millis().forEach((part, values) -> millis.put(part, (double) values[index]));
            List<Double> ranks = steps.rankTokensPerSecond().stream()
                    .map(values -> (double) values[index])
                    .toList();
            points.put(
                    steps.step()[i],
                    new Point(
                            steps.step()[i],
                            steps.loss()[i],
                            steps.lr()[i],
                            steps.gradNorm()[i],
                            steps.tokensPerSecond()[i],
                            ranks,
                            millis));
        }
        evaluations.putAll(steps.evaluations());
    }

    RunStarted started() {
        return started;
    }

    Optional<RunEnded> ended() {
        return Optional.ofNullable(ended);
    }

    List<Attempt> attempts() {
        return attempts;
    }

    /** The most ranks that a generation had. */
    int mostRanks() {
        return attempts.stream()
                .mapToInt(attempt -> attempt.generation().worldSize())
                .max()
                .orElse(0);
    }

    List<Point> points() {
        return List.copyOf(points.values());
    }

    /** Validation losses by step. */
    NavigableMap<Long, Double> evaluations() {
        return evaluations;
    }

    /** By step. */
    NavigableMap<Long, CheckpointCommitted> checkpoints() {
        return checkpoints;
    }

    /** Steps from which a later generation went on. */
    List<Double> restarts() {
        return attempts.stream()
                .skip(1)
                .map(attempt -> (double) attempt.generation().startStep())
                .toList();
    }
}
