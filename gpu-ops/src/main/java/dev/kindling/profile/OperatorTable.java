package dev.kindling.profile;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Spans summed by operator, the longest first. Operators do not nest, so an operator's time is its self time. */
public record OperatorTable(List<Row> rows) {
    /**
     * One operator.
     *
     * @param selfMicros device time of all calls
     * @param share of all operators' device time, 0 to 1
     */
    public record Row(String operator, double selfMicros, double share, int calls) {
        public double averageMicros() {
            return selfMicros / calls;
        }
    }

    public OperatorTable {
        rows = List.copyOf(rows);
    }

    public static OperatorTable of(List<Span> spans) {
        Map<String, List<Span>> byOperator = new LinkedHashMap<>();
        spans.forEach(span -> byOperator
                .computeIfAbsent(span.operator(), operator -> new ArrayList<>())
                .add(span));
        double total = spans.stream().mapToDouble(Span::micros).sum();
        List<Row> rows = new ArrayList<>();
        byOperator.forEach((operator, calls) -> {
            double self = calls.stream().mapToDouble(Span::micros).sum();
            rows.add(new Row(operator, self, total == 0 ? 0 : self / total, calls.size()));
        });
        rows.sort(Comparator.comparingDouble(Row::selfMicros).reversed().thenComparing(Row::operator));
        return new OperatorTable(rows);
    }

    /** Device time of all operators, microseconds. */
    public double totalMicros() {
        return rows.stream().mapToDouble(Row::selfMicros).sum();
    }

    /**
     * Attention's share of all operators' device time, 0 to 1: the fused kernels, or MATH's softmax and batched
     * products. The linear layers before and after attention are not counted.
     */
    public double attentionShare() {
        return rows.stream()
                .filter(row ->
                        row.operator().contains("attention") || row.operator().matches(ProfiledOps.BATCHED_PRODUCT))
                .mapToDouble(Row::share)
                .sum();
    }

    /** The table as text: the first {@code limit} operators, then all others in one row. */
    public String format(int limit) {
        int shown = Math.min(limit, rows.size());
        StringBuilder table = new StringBuilder(String.format(
                Locale.ROOT,
                "%-36s %14s %7s %8s %12s%n",
                "operator",
                "self device ms",
                "share",
                "calls",
                "average us"));
        rows.subList(0, shown).forEach(row -> append(table, row));
        List<Row> rest = rows.subList(shown, rows.size());
        if (!rest.isEmpty()) {
            append(
                    table,
                    new Row(
                            rest.size() + " others",
                            rest.stream().mapToDouble(Row::selfMicros).sum(),
                            rest.stream().mapToDouble(Row::share).sum(),
                            rest.stream().mapToInt(Row::calls).sum()));
        }
        return table.toString();
    }

    private static void append(StringBuilder table, Row row) {
        table.append(String.format(
                Locale.ROOT,
                "%-36s %14.3f %6.1f%% %8d %12.1f%n",
                row.operator(),
                row.selfMicros() / 1e3,
                100 * row.share(),
                row.calls(),
                row.averageMicros()));
    }
}
