package dev.kindling.monitor;

import dev.kindling.monitor.TrainingEvent.Steps;
import dev.kindling.report.StepMetrics;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.ToDoubleFunction;

/**
 * Turns steps into events of bounded number and size: steps become points, and points travel in batches. A point ends after
 * a thousandth of the run's steps, or when it lasts ten seconds, in a long run a thousandth of its time so far: a day takes
 * some 3,000 points, a month some 6,500. Not thread-safe.
 */
final class TrainingFeed {
    private static final int POINTS = 1000;
    private static final int BATCH = 100;
    private static final long POINT_NANOS = TimeUnit.SECONDS.toNanos(10);
    private static final long BATCH_NANOS = TimeUnit.SECONDS.toNanos(2);

    private final long stride;
    private final LongSupplier nanoTime;
    private final Consumer<TrainingEvent> events;
    private final long startNanos;
    private PointSum gathered = new PointSum();
    private final List<TrainingRun.Point> points = new ArrayList<>();
    private final Map<Long, Double> evaluations = new TreeMap<>();
    private long pointNanos;
    private long batchNanos;

    /** @param nanoTime the clock */
    TrainingFeed(long maxSteps, LongSupplier nanoTime, Consumer<TrainingEvent> events) {
        this.stride = Math.max(1, maxSteps / POINTS);
        this.nanoTime = nanoTime;
        this.events = events;
        startNanos = nanoTime.getAsLong();
        pointNanos = startNanos;
        batchNanos = startNanos;
    }

    void add(StepMetrics step) {
        gathered.add(step);
        step.valLoss().ifPresent(loss -> evaluations.put(step.step(), loss));
        long now = nanoTime.getAsLong();
        long longest = Math.max(POINT_NANOS, (now - startNanos) / POINTS);
        if (step.step() % stride == 0 || now - pointNanos >= longest) {
            endPoint();
            pointNanos = now;
        }
        if (points.size() >= BATCH || (!points.isEmpty() && now - batchNanos >= BATCH_NANOS)) {
            flush();
            batchNanos = now;
        }
    }

    /** Sends what has been gathered. */
    void flush() {
        endPoint();
        if (!points.isEmpty()) {
            events.accept(batch());
            points.clear();
            evaluations.clear();
        }
    }

    private void endPoint() {
        if (!gathered.isEmpty()) {
            points.add(gathered.mean());
            gathered = new PointSum();
        }
    }

    private Steps batch() {
        TrainingRun.Point last = points.get(points.size() - 1);
        List<float[]> ranks = new ArrayList<>();
        for (int i = 0; i < last.rankTokensPerSecond().size(); i++) {
            int rank = i;
            ranks.add(column(point -> point.rankTokensPerSecond().get(rank)));
        }
        Map<String, float[]> millis = new LinkedHashMap<>();
        for (String part : last.millis().keySet()) {
            millis.put(part, column(point -> point.millis().get(part)));
        }
        return new Steps(
                points.stream().mapToLong(TrainingRun.Point::step).toArray(),
                column(TrainingRun.Point::loss),
                column(TrainingRun.Point::lr),
                column(TrainingRun.Point::gradNorm),
                column(TrainingRun.Point::tokensPerSecond),
                ranks,
                millis,
                Map.copyOf(evaluations));
    }

    private float[] column(ToDoubleFunction<TrainingRun.Point> value) {
        float[] column = new float[points.size()];
        for (int i = 0; i < column.length; i++) {
            column[i] = (float) value.applyAsDouble(points.get(i));
        }
        return column;
    }
}
