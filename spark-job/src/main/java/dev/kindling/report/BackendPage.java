package dev.kindling.report;

import static dev.kindling.report.BackendTable.number;
import static dev.kindling.report.LineChart.escape;

import dev.kindling.report.BackendReport.RankRow;
import dev.kindling.report.BackendReport.Row;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** A {@link BackendReport} as {@code report.html}: one file that holds its pictures and needs no network. */
public final class BackendPage {
    private final BackendReport report;
    private final StringBuilder html = new StringBuilder();

    private BackendPage(BackendReport report) {
        this.report = report;
    }

    public static String format(BackendReport report) {
        return new BackendPage(report).page();
    }

    private String page() {
        BackendReport.About about = report.about();
        html.append("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">")
                .append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
                .append("<title>Kindling: ")
                .append(escape(about.title()))
                .append("</title><style>")
                .append(style())
                .append("</style></head><body><main>");
        html.append("<header><h1>")
                .append(escape(about.title()))
                .append("</h1><p class=\"sub\">")
                .append(escape(about.created() + " · " + about.environment().get("Devices")))
                .append("</p></header>");
        summary();
        about.notes()
                .forEach(note -> html.append("<p class=\"note\">Note: ")
                        .append(escape(note))
                        .append(".</p>"));
        html.append("<section class=\"charts\">");
        BackendCharts.of(report)
                .forEach(chart -> html.append("<figure>").append(chart.toSvg()).append("</figure>"));
        html.append("</section>");
        howToRead();
        results();
        ranks();
        environment();
        return html.append("</main></body></html>\n").toString();
    }

    private static String style() {
        try (InputStream in = BackendPage.class.getResourceAsStream("/dev/kindling/report/report.css")) {
            if (in == null) {
                throw new IllegalStateException("the jar lacks report.css; build it again with mvn package");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("could not read report.css from the jar", e);
        }
    }

    /** The fastest case of each number of executors at the first length, and what did not run. */
    private void summary() {
        html.append("<section class=\"tiles\">");
        List<Integer> worlds =
                report.rows().stream().map(Row::executors).distinct().toList();
        int length = report.rows().get(0).length();
        for (int world : worlds) {
            report.rows().stream()
                    .filter(row -> row.ran() && row.executors() == world && row.length() == length)
                    .min(Comparator.comparingDouble(row -> row.step().millis().mean()))
                    .ifPresent(best -> tile(
                            best.backend() + ", " + best.mode(),
                            BackendTable.compact(best.step().tokensPerSecond().mean()) + " tokens/s",
                            String.format(
                                    Locale.ROOT,
                                    "fastest at T = %d on %d executor(s), %.2f× %s",
                                    length,
                                    world,
                                    best.speedup().mean(),
                                    best.parity().reference())));
        }
        double worst = report.rows().stream()
                .filter(Row::ran)
                .mapToDouble(row -> row.parity().difference())
                .max()
                .orElse(Double.NaN);
        if (!Double.isNaN(worst)) {
            boolean holds = report.rows().stream()
                    .allMatch(row -> !row.ran() || row.parity().holds());
            tile("losses", holds ? "agree" : "DISAGREE", "largest relative difference " + number("%.1e", worst));
        }
        html.append("</section>");
    }

    private void tile(String name, String value, String what) {
        html.append(String.format(
                Locale.ROOT,
                "<div class=\"tile\"><div class=\"name\">%s</div><div class=\"value\">%s</div><div class=\"what\">%s</div></div>",
                escape(name),
                escape(value),
                escape(what)));
    }

    private void howToRead() {
        BackendReport.Method method = report.about().method();
        html.append("<section><h2>How to read this</h2><ul>");
        item(
                "Every backend ran the same training step (forward, backward, sum of gradients over all ranks, clip, AdamW)"
                        + " from the same weights on the same data, on all executors at once. A step is as long as its slowest rank takes.");
        item(String.format(
                Locale.ROOT,
                "After %d untimed steps each, backends took turns in %d rounds of %d steps, in rotating order, so that a drift of clocks or temperature meets all. Dots in bars are rounds, from the first to the last.",
                method.warmUp(),
                method.rounds(),
                method.steps()));
        item("Whiskers and ± are 95 % confidence intervals: " + Estimate.FORMULA
                + ". Where those of two backends overlap, do not call one the faster.");
        item("Speedup: the reference's time by the backend's, a mean of the ratios within rounds.");
        item(
                "Forward alone is evaluation's forward with loss: no dropout, nothing kept. Ranks do not wait for each other in it.");
        item(
                "Energy is what the GPUs' own counters tell of the whole cards, over three seconds of steps after the rounds.");
        item("MFU: operations by time by the device's peak. Operations: " + BackendReport.Work.FORMULA + ".");
        item(
                "Memory is what the step holds on a device: weights, gradients, moments, activations, scratch; not libraries and contexts.");
        item(
                "Attention's share is of the operators' device time in an eager step; linear layers around it are not counted.");
        item(
                "Loss difference: the largest relative one to the reference's over the untimed steps; the tolerance is what rounding explains.");
        html.append("</ul></section>");
    }

    private void item(String text) {
        html.append("<li>").append(escape(text)).append("</li>");
    }

    private void results() {
        html.append("<section><h2>Results</h2>");
        List<String> heads = List.of(
                "Backend",
                "Mode",
                "Step, ms",
                "Forward, ms",
                "Tokens/s",
                "J per 1,000 tokens",
                "Tokens/s a rank",
                "Speedup",
                "MFU",
                "Memory, MiB",
                "Attention",
                "Loss difference");
        String group = "";
        for (Row row : report.rows()) {
            String own = String.format(Locale.ROOT, "%d executor(s), T = %d", row.executors(), row.length());
            if (!own.equals(group)) {
                html.append(group.isEmpty() ? "" : "</tbody></table></div>");
                html.append("<h3>").append(escape(own)).append("</h3>");
                openTable("wide", heads);
                group = own;
            }
            if (row.ran()) {
                cells(numbers(row));
            } else {
                html.append(String.format(
                        Locale.ROOT,
                        "<tr class=\"refused\"><td>%s</td><td>%s</td><td colspan=\"%d\">cannot run: %s</td></tr>",
                        row.backend(),
                        row.mode(),
                        heads.size() - 2,
                        escape(row.refusal())));
            }
        }
        html.append("</tbody></table></div></section>");
    }

    private static List<String> numbers(Row row) {
        return List.of(
                row.backend(),
                row.mode(),
                interval(row.step().millis(), "%.3f"),
                interval(row.forward().millis(), "%.3f"),
                interval(row.step().tokensPerSecond(), "%,.0f"),
                BackendTable.energy(row, "–"),
                number("%,.0f", row.step().tokensPerSecond().mean() / row.executors()),
                row.isReference() ? "reference" : interval(row.speedup(), "%.2f") + "×",
                row.mfu().isPresent() ? number("%.1f %%", 100 * row.mfu().getAsDouble()) : "–",
                number("%,.1f", row.bytes() / (double) (1 << 20)),
                number("%.0f %%", 100 * row.attentionShare()),
                row.isReference()
                        ? "reference"
                        : number("%.1e", row.parity().difference())
                                + (row.parity().holds() ? " ≤ " : " > ")
                                + number("%.0e", row.parity().tolerance()));
    }

    private void ranks() {
        html.append("<section><h2>What ran on each rank</h2>");
        openTable(
                "wide ranks",
                List.of(
                        "Executors",
                        "T",
                        "Backend",
                        "Mode",
                        "Rank",
                        "Where",
                        "Device",
                        "Ran",
                        "Sequences",
                        "Step, ms",
                        "Forward, ms",
                        "Tokens/s",
                        "MFU"));
        for (Row row : report.rows()) {
            for (RankRow rank : row.ranks()) {
                List<String> cells = new ArrayList<>(List.of(
                        String.valueOf(row.executors()),
                        String.valueOf(row.length()),
                        row.backend(),
                        row.mode(),
                        String.valueOf(rank.rank().rank()),
                        String.format(
                                Locale.ROOT,
                                "executor %s on %s",
                                rank.rank().executor(),
                                rank.rank().host()),
                        rank.rank().device(),
                        String.format(
                                Locale.ROOT,
                                "%s, %s, %s",
                                rank.measured().ran(),
                                rank.rank().precision(),
                                rank.measured().allreduce()),
                        String.valueOf(rank.measured().sequences()),
                        interval(rank.step().millis(), "%.3f"),
                        interval(rank.forward().millis(), "%.3f"),
                        interval(rank.step().tokensPerSecond(), "%,.0f"),
                        rank.mfu().isPresent()
                                ? number("%.1f %%", 100 * rank.mfu().getAsDouble())
                                : "–"));
                cells(cells);
            }
        }
        html.append("</tbody></table></div></section>");
    }

    private void environment() {
        html.append("<section><h2>Environment</h2><dl>");
        report.about()
                .environment()
                .forEach((name, value) ->
                        html.append(String.format(Locale.ROOT, "<dt>%s</dt><dd>%s</dd>", escape(name), escape(value))));
        html.append("</dl><details><summary>Configuration</summary><pre>")
                .append(escape(report.about().config()))
                .append("</pre></details></section>");
    }

    private void openTable(String look, List<String> heads) {
        html.append(String.format(Locale.ROOT, "<div class=\"%s\"><table><thead><tr>", look))
                .append(heads.stream()
                        .map(head -> "<th>" + escape(head) + "</th>")
                        .collect(Collectors.joining()))
                .append("</tr></thead><tbody>");
    }

    private void cells(List<String> values) {
        html.append("<tr>");
        values.forEach(value -> html.append("<td>").append(escape(value)).append("</td>"));
        html.append("</tr>");
    }

    private static String interval(Estimate estimate, String format) {
        return BackendTable.interval(estimate, format).replace(" ±", " ± ");
    }
}
