package dev.kindling.monitor;

import dev.kindling.report.StepMetrics;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;

/** The steps of one point as sums, however many they are. Not thread-safe. */
final class PointSum {
    private StepMetrics last;
    private int steps;
    private double loss;
    private double tokensPerSecond;
    private double gradNorm;
    private double[] ranks;
    private final Map<String, Double> millis = new LinkedHashMap<>();

    boolean isEmpty() {
        return steps == 0;
    }

    /** @param step of as many ranks as those before */
    void add(StepMetrics step) {
        List<Double> listed = step.listedTokensPerSecond();
        if (isEmpty()) {
            ranks = new double[listed.size()];
        }
        for (int i = 0; i < ranks.length; i++) {
            ranks[i] += listed.get(i);
        }
        step.parts().forEach((part, value) -> millis.merge(part, value, Double::sum));
        loss += step.loss();
        tokensPerSecond += step.tokensPerSecond();
        gradNorm = isEmpty() ? step.gradNorm() : Math.max(gradNorm, step.gradNorm());
        last = step;
        steps++;
    }

    TrainingRun.Point mean() {
        Map<String, Double> parts = new LinkedHashMap<>();
        millis.forEach((part, sum) -> parts.put(part, sum / steps));
        return new TrainingRun.Point(
                last.step(),
                loss / steps,
                last.lr(),
                gradNorm,
                tokensPerSecond / steps,
                DoubleStream.of(ranks).map(sum -> sum / steps).boxed().toList(),
                parts);
    }
}
