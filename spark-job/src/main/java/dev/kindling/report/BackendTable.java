package dev.kindling.report;

import dev.kindling.report.BackendReport.Row;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A {@link BackendReport} as text for a terminal: one line per case (with its reason, if it did not run), then what ran
 * on each rank.
 */
public final class BackendTable {
    private static final String LINE = "%-10s %-9s %18s %18s %22s %8s %8s %8s %7s %10s %6s %10s%n";

    private BackendTable() {}

    public static String format(BackendReport report) {
        StringBuilder out = new StringBuilder();
        String group = "";
        for (Row row : report.rows()) {
            String own = String.format(Locale.ROOT, "%d executor(s), length %d", row.executors(), row.length());
            if (!own.equals(group)) {
                group = own;
                out.append(String.format(Locale.ROOT, "%n%s%n", group));
                out.append(String.format(
                        Locale.ROOT,
                        LINE,
                        "backend",
                        "mode",
                        "step ms",
                        "forward ms",
                        "tokens/s",
                        "J/1k tok",
                        "speedup",
                        "a rank/s",
                        "MFU",
                        "memory MiB",
                        "attn",
                        "loss diff"));
            }
            out.append(row.ran() ? numbers(row) : refusal(row));
        }
        return out.append(ranks(report)).toString();
    }

    private static String numbers(Row row) {
        return String.format(
                Locale.ROOT,
                LINE,
                row.backend(),
                row.mode(),
                interval(row.step().millis(), "%.3f"),
                interval(row.forward().millis(), "%.3f"),
                interval(row.step().tokensPerSecond(), "%,.0f"),
                energy(row, "-"),
                number("%.2fx", row.speedup().mean()),
                compact(row.step().tokensPerSecond().mean() / row.executors()),
                row.mfu().isPresent() ? number("%.1f%%", 100 * row.mfu().getAsDouble()) : "-",
                number("%,.1f", row.bytes() / (double) (1 << 20)),
                number("%.0f%%", 100 * row.attentionShare()),
                row.isReference()
                        ? "-"
                        : number("%.1e", row.parity().difference())
                                + (row.parity().holds() ? "" : " DISAGREES"));
    }

    /** Joules for a thousand tokens. */
    static String energy(Row row, String unknown) {
        return row.joulesPerThousandTokens().isPresent()
                ? number("%.3g", row.joulesPerThousandTokens().getAsDouble())
                : unknown;
    }

    private static String refusal(Row row) {
        return String.format(Locale.ROOT, "%-10s %-9s cannot run: %s%n", row.backend(), row.mode(), row.refusal());
    }

    /** What really ran, each distinct line once. */
    private static String ranks(BackendReport report) {
        Stream<String> lines = report.rows().stream()
                .filter(Row::ran)
                .flatMap(row -> row.ranks().stream()
                        .map(rank -> String.format(
                                Locale.ROOT,
                                "  %d executor(s), rank %d on %s, executor %s: %s, %s, allreduce %s; peak %s",
                                row.executors(),
                                rank.rank().rank(),
                                rank.rank().host(),
                                rank.rank().executor(),
                                rank.rank().device(),
                                rank.rank().precision(),
                                rank.measured().allreduce(),
                                rank.rank().peakBasis())))
                .distinct();
        String ran = lines.collect(Collectors.joining(System.lineSeparator()));
        List<String> notes = report.about().notes();
        return ran.isEmpty() && notes.isEmpty()
                ? ""
                : String.format(
                        Locale.ROOT,
                        "%nwhat ran:%n%s%n%s",
                        ran,
                        notes.stream()
                                .map(note -> "note: " + note + System.lineSeparator())
                                .collect(Collectors.joining()));
    }

    static String interval(Estimate estimate, String format) {
        String mean = number(format, estimate.mean());
        return Double.isNaN(estimate.halfWidth()) ? mean : mean + " ±" + number(format, estimate.halfWidth());
    }

    static String number(String format, double value) {
        return String.format(Locale.ROOT, format, value);
    }

    /** Three digits and a unit: 12.3k, 4.56M. */
    static String compact(double value) {
        if (value >= 1e6) {
            return number(value >= 1e7 ? "%.1fM" : "%.2fM", value / 1e6);
        }
        return value >= 1e3 ? number(value >= 1e5 ? "%.0fk" : "%.1fk", value / 1e3) : number("%.0f", value);
    }
}
