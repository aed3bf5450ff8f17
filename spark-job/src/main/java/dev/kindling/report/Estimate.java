package dev.kindling.report;

import java.util.List;
import org.apache.commons.math3.distribution.TDistribution;
import org.apache.commons.math3.stat.descriptive.SummaryStatistics;

/**
 * A mean with its 95 % confidence interval, mean +- t(0.975, n - 1) s / sqrt(n): Student's t over n samples with
 * standard deviation s. The samples are the means of rounds, far enough apart to be taken as independent; single steps
 * are not.
 *
 * @param halfWidth half the width of the interval; NaN with fewer than two samples
 */
public record Estimate(double mean, double halfWidth, List<Double> samples) {
    /** The formula, for reports. */
    public static final String FORMULA = "mean ± t(0.975, n−1) · s / √n over the n rounds (Student's t)";

    private static final double CONFIDENCE = 0.95;

    public static Estimate of(List<Double> samples) {
        SummaryStatistics statistics = new SummaryStatistics();
        samples.forEach(statistics::addValue);
        long n = statistics.getN();
        double halfWidth = n < 2
                ? Double.NaN
                : new TDistribution(n - 1.0).inverseCumulativeProbability(1 - (1 - CONFIDENCE) / 2)
                        * statistics.getStandardDeviation()
                        / Math.sqrt((double) n);
        return new Estimate(statistics.getMean(), halfWidth, List.copyOf(samples));
    }

    public double low() {
        return mean - halfWidth;
    }

    public double high() {
        return mean + halfWidth;
    }
}
