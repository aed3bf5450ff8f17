package dev.kindling.monitor;

import dev.kindling.monitor.TrainingRun.Point;
import dev.kindling.report.LineChart;
import dev.kindling.report.LineChart.Axes;
import dev.kindling.report.LineChart.Look;
import dev.kindling.report.LineChart.Series;
import dev.kindling.report.StepMetrics;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.ToDoubleFunction;

/** The charts of a run. */
final class TrainingCharts {
    private final TrainingRun run;
    private final List<Point> points;

    private TrainingCharts(TrainingRun run) {
        this.run = run;
        this.points = run.points();
    }

    static List<LineChart> of(TrainingRun run) {
        TrainingCharts charts = new TrainingCharts(run);
        return List.of(
                charts.losses(),
                charts.of(
                        "Tokens a second",
                        "tokens/s, all ranks",
                        List.of(charts.line("total", Point::tokensPerSecond))),
                charts.of("Tokens a second by rank", "tokens/s of a rank", charts.ranks()),
                charts.of("Where time goes", "ms a step", charts.parts()),
                charts.of("Learning rate", "learning rate", List.of(charts.line("lr", Point::lr))),
                charts.of("Gradient norm", "norm before clipping", List.of(charts.line("grad_norm", Point::gradNorm))));
    }

    private LineChart losses() {
        List<LineChart.Point> evaluated = run.evaluations().entrySet().stream()
                .map(entry -> new LineChart.Point(entry.getKey(), entry.getValue()))
                .toList();
        return new LineChart(
                "Loss",
                new Axes("step", "nats a token", false),
                List.of(line("train", Point::loss), new Series("validation", Look.DOTS, evaluated)),
                run.restarts());
    }

    private LineChart of(String title, String y, List<Series> series) {
        return new LineChart(title, new Axes("step", y, true), series, run.restarts());
    }

    private Series line(String name, ToDoubleFunction<Point> value) {
        return series(name, Look.LINE, value);
    }

    private Series series(String name, Look look, ToDoubleFunction<Point> value) {
        return new Series(
                name,
                look,
                points.stream()
                        .map(point -> new LineChart.Point(point.step(), value.applyAsDouble(point)))
                        .toList());
    }

    private List<Series> ranks() {
        if (run.mostRanks() > StepMetrics.MOST_LISTED) {
            return List.of(
                    line("slowest", point -> ordered(point, 0)),
                    line("median", point -> ordered(point, 0.5)),
                    line("fastest", point -> ordered(point, 1)));
        }
        List<Series> series = new ArrayList<>();
        for (int i = 0; i < run.mostRanks(); i++) {
            int rank = i;
            series.add(line(
                    "rank " + rank,
                    point -> rank < point.rankTokensPerSecond().size()
                            ? point.rankTokensPerSecond().get(rank)
                            : Double.NaN));
        }
        return series;
    }

    /** Also right where a point has the three alone, those of many ranks. */
    private static double ordered(Point point, double share) {
        List<Double> sorted = point.rankTokensPerSecond().stream().sorted().toList();
        return sorted.get((int) Math.round(share * (sorted.size() - 1)));
    }

    /** Each part on top of those before it; the topmost first, so that the lower ones cover it. */
    private List<Series> parts() {
        Set<String> names = new LinkedHashSet<>();
        points.forEach(point -> names.addAll(point.millis().keySet()));
        List<Series> series = new ArrayList<>();
        List<String> below = new ArrayList<>();
        for (String name : names) {
            below.add(name);
            Collection<String> summed = List.copyOf(below);
            series.add(
                    0,
                    series(
                            name,
                            Look.AREA,
                            point -> summed.stream()
                                    .mapToDouble(part -> point.millis().getOrDefault(part, 0.0))
                                    .sum()));
        }
        return series;
    }
}
