package dev.kindling.monitor;

import com.codahale.metrics.Gauge;
import com.codahale.metrics.MetricRegistry;
import dev.kindling.report.StepMetrics;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.spark.metrics.source.Source;

/**
 * The driver's gauges in Spark's metrics system, which every sink of the application shows: Prometheus, JMX, Graphite,
 * CSV. NaN before the first value. Written by one thread at a time, read by any.
 */
final class TrainingGauges implements Source {
    private final MetricRegistry registry = new MetricRegistry();
    private volatile StepMetrics last;
    private volatile double valLoss = Double.NaN;
    private volatile int generation;
    private volatile int worldSize;
    private final AtomicInteger restarts = new AtomicInteger();
    private volatile long checkpointStep;

    TrainingGauges() {
        step("step", StepMetrics::step);
        step("loss", StepMetrics::loss);
        step("lr", StepMetrics::lr);
        step("grad_norm", StepMetrics::gradNorm);
        step("tokens_per_second", StepMetrics::tokensPerSecond);
        step("step_millis", StepMetrics::stepMillis);
        gauge("val_loss", () -> valLoss);
        gauge("generation", () -> generation);
        gauge("world_size", () -> worldSize);
        gauge("restarts", restarts::get);
        gauge("checkpoint_step", () -> checkpointStep);
    }

    @Override
    public String sourceName() {
        return "training";
    }

    @Override
    public MetricRegistry metricRegistry() {
        return registry;
    }

    void generationStarted(int number, int ranks) {
        generation = number;
        rankGauges(worldSize).forEach(registry::remove);
        List<String> names = rankGauges(ranks);
        for (int i = 0; i < names.size(); i++) {
            int index = i;
            step(names.get(i), step -> {
                List<Double> listed = step.listedTokensPerSecond();
                return index < listed.size() ? listed.get(index) : Double.NaN;
            });
        }
        worldSize = ranks;
    }

    /** One a rank, or one a quantile, in the order of {@link StepMetrics#listedTokensPerSecond}. */
    private static List<String> rankGauges(int ranks) {
        Stream<String> names = ranks > StepMetrics.MOST_LISTED
                ? Stream.of("_slowest", "_median", "_fastest")
                : IntStream.range(0, ranks).mapToObj(Integer::toString);
        return names.map(name -> "rank" + name + "_tokens_per_second").toList();
    }

    void generationFailed() {
        restarts.incrementAndGet();
    }

    void checkpointCommitted(long step) {
        checkpointStep = step;
    }

    void update(StepMetrics step) {
        last = step;
        step.valLoss().ifPresent(loss -> valLoss = loss);
    }

    private void step(String name, ToDoubleFunction<StepMetrics> value) {
        gauge(name, () -> {
            StepMetrics step = last;
            return step == null ? Double.NaN : value.applyAsDouble(step);
        });
    }

    private void gauge(String name, Gauge<Number> value) {
        registry.register(name, value);
    }
}
