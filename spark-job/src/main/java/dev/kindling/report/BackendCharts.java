package dev.kindling.report;

import dev.kindling.report.BackendReport.Row;
import dev.kindling.report.BackendReport.Timing;
import dev.kindling.report.CategoryChart.Look;
import dev.kindling.report.CategoryChart.Series;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * The charts of a {@link BackendReport}. A chart varies one thing; all others stay at their first length, first mode
 * and largest number of executors.
 */
final class BackendCharts {
    private final List<Row> rows;
    private final List<String> backends;
    private final int length;
    private final String mode;
    private final int executors;

    private BackendCharts(List<Row> rows) {
        this.rows = rows;
        backends = distinct(Row::backend).toList();
        length = rows.get(0).length();
        mode = rows.get(0).mode();
        executors = rows.stream().mapToInt(Row::executors).max().orElseThrow();
    }

    /** The charts for which the report has numbers. */
    static List<CategoryChart> of(BackendReport report) {
        List<Row> ran = report.rows().stream().filter(Row::ran).toList();
        if (ran.isEmpty()) {
            return List.of();
        }
        BackendCharts charts = new BackendCharts(ran);
        return Stream.of(
                        charts.byMode("Training step", Row::step),
                        charts.byMode("Forward alone", Row::forward),
                        charts.ranks(),
                        charts.memory(),
                        charts.byLength(),
                        charts.byExecutors())
                .filter(Objects::nonNull)
                .toList();
    }

    private <T> Stream<T> distinct(Function<Row, T> what) {
        return rows.stream().map(what).distinct();
    }

    private Optional<Row> row(Predicate<Row> which) {
        return rows.stream().filter(which).findFirst();
    }

    private static Predicate<Row> at(int length, String mode, int executors) {
        return row -> row.length() == length && row.mode().equals(mode) && row.executors() == executors;
    }

    /** One series per backend: {@code pick} selects the row of a category, {@code value} its number. */
    private <C> List<Series> series(
            List<C> categories, Function<C, Predicate<Row>> pick, Function<Row, Estimate> value) {
        return backends.stream()
                .map(backend -> new Series(
                        backend,
                        categories.stream()
                                .map(category -> row(pick.apply(category)
                                                .and(row -> row.backend().equals(backend)))
                                        .map(value))
                                .toList(),
                        false))
                .toList();
    }

    private CategoryChart byMode(String what, Function<Row, Timing> timing) {
        List<String> modes = distinct(Row::mode).toList();
        return new CategoryChart(
                String.format(Locale.ROOT, "%s, T = %d, %d executor(s)", what, length, executors),
                "mode",
                "tokens/s, all ranks",
                Look.BARS,
                modes,
                series(
                        modes,
                        each -> at(length, each, executors),
                        row -> timing.apply(row).tokensPerSecond()));
    }

    /**
     * The rate of forward by rank; null for one rank. In a step ranks wait for each other, so only forward alone shows
     * which one is slow.
     */
    private CategoryChart ranks() {
        if (executors < 2) {
            return null;
        }
        List<Series> series = new ArrayList<>();
        for (int i = 0; i < executors; i++) {
            int rank = i;
            series.add(new Series(
                    "rank " + rank,
                    backends.stream()
                            .map(backend -> row(at(length, mode, executors)
                                            .and(row -> row.backend().equals(backend)))
                                    .map(row -> row.ranks().get(rank).forward().tokensPerSecond()))
                            .toList(),
                    false));
        }
        return new CategoryChart(
                String.format(Locale.ROOT, "Forward by rank, T = %d, %s", length, mode),
                "backend",
                "tokens/s, each rank",
                Look.BARS,
                backends,
                series);
    }

    private CategoryChart memory() {
        List<Integer> lengths = distinct(Row::length).toList();
        return new CategoryChart(
                String.format(Locale.ROOT, "Memory that a training step holds, %s, %d executor(s)", mode, executors),
                "tokens of a sequence, T",
                "MiB, the fullest rank",
                Look.BARS,
                lengths.stream().map(String::valueOf).toList(),
                series(
                        lengths,
                        each -> at(each, mode, executors),
                        row -> Estimate.of(List.of(row.bytes() / (double) (1 << 20)))));
    }

    private CategoryChart byLength() {
        List<Integer> lengths = distinct(Row::length).sorted().toList();
        if (lengths.size() < 2) {
            return null;
        }
        return new CategoryChart(
                String.format(Locale.ROOT, "Training step by sequence length, %s, %d executor(s)", mode, executors),
                "tokens of a sequence, T",
                "tokens/s, all ranks",
                Look.LINES,
                lengths.stream().map(String::valueOf).toList(),
                series(
                        lengths,
                        each -> at(each, mode, executors),
                        row -> row.step().tokensPerSecond()));
    }

    private CategoryChart byExecutors() {
        List<Integer> worlds = distinct(Row::executors).sorted().toList();
        if (worlds.size() < 2) {
            return null;
        }
        List<Series> series = new ArrayList<>(
                series(worlds, each -> at(length, mode, each), row -> row.step().tokensPerSecond()));
        double least = series.stream()
                .flatMap(one -> one.values().get(0).stream())
                .mapToDouble(Estimate::mean)
                .max()
                .orElse(0);
        series.add(new Series(
                "fastest, were scaling perfect",
                worlds.stream()
                        .map(world -> Optional.of(Estimate.of(List.of(least * world / worlds.get(0)))))
                        .toList(),
                true));
        return new CategoryChart(
                String.format(Locale.ROOT, "Training step by executors, %s, T = %d", mode, length),
                "executors, one rank each",
                "tokens/s, all ranks",
                Look.LINES,
                worlds.stream().map(String::valueOf).toList(),
                series);
    }
}
