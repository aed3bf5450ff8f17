package dev.kindling.monitor;

import static dev.kindling.report.LineChart.escape;

import dev.kindling.monitor.TrainingRun.Attempt;
import jakarta.servlet.http.HttpServletRequest;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.apache.spark.ui.SparkUITab;
import org.apache.spark.ui.UIUtils;
import org.apache.spark.ui.WebUIPage;
import org.apache.spark.util.kvstore.KVStore;
import scala.Function0;
import scala.Option;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.AbstractFunction0;
import scala.xml.Node;
import scala.xml.Unparsed;

/**
 * The tab's page: one run's state, charts, generations and checkpoints, as HTML and SVG made here, so that it needs no
 * script. {@code ?run=N} picks one of an application's runs (default: the last), {@code ?refresh=SECONDS} reloads.
 */
final class TrainingPage extends WebUIPage {
    private static final int REFRESH_SECONDS = 5;
    private static final int ROWS = 20;

    private final SparkUITab tab;
    private final KVStore store;

    TrainingPage(SparkUITab tab, KVStore store) {
        super("");
        this.tab = tab;
        this.store = store;
    }

    @Override
    public Seq<Node> render(HttpServletRequest request) {
        List<TrainingRun> runs = TrainingRun.readAll(store);
        int refresh = number(request, "refresh").orElse(0);
        String html;
        if (runs.isEmpty()) {
            html = "<p>No training run yet.</p>";
        } else {
            int index = Math.min(runs.size(), Math.max(1, number(request, "run").orElse(runs.size())));
            html = refresh(runs.get(index - 1), refresh) + runLinks(runs.size(), index) + body(runs.get(index - 1));
        }
        Function0<Seq<Node>> content = new AbstractFunction0<>() {
            @Override
            public Seq<Node> apply() {
                return CollectionConverters.asScala(List.<Node>of(new Unparsed(html)))
                        .toSeq();
            }
        };
        return UIUtils.headerSparkPage(request, "Training", content, tab, Option.empty(), false, false, false);
    }

    private static Optional<Integer> number(HttpServletRequest request, String name) {
        try {
            return Optional.ofNullable(request.getParameter(name)).map(Integer::valueOf);
        } catch (NumberFormatException e) {
            return Optional.empty();
        }
    }

    private static String refresh(TrainingRun run, int seconds) {
        if (run.ended().isPresent()) {
            return "";
        }
        return seconds > 0
                ? String.format(
                        Locale.ROOT,
                        "<meta http-equiv=\"refresh\" content=\"%d\"/><p>Reloads every %d s. <a href=\"?\">Stop</a></p>",
                        seconds,
                        seconds)
                : String.format(
                        Locale.ROOT,
                        "<p><a href=\"?refresh=%d\">Reload every %d s</a></p>",
                        REFRESH_SECONDS,
                        REFRESH_SECONDS);
    }

    private static String runLinks(int count, int shown) {
        if (count == 1) {
            return "";
        }
        StringBuilder html = new StringBuilder("<p>Runs of this application: ");
        for (int i = 1; i <= count; i++) {
            html.append(String.format(
                    Locale.ROOT, i == shown ? "<strong>%d</strong> " : "<a href=\"?run=%1$d\">%1$d</a> ", i));
        }
        return html.append("</p>").toString();
    }

    private static String body(TrainingRun run) {
        StringBuilder html = new StringBuilder();
        html.append(state(run));
        if (run.points().isEmpty()) {
            html.append("<p>No steps yet.</p>");
        } else {
            html.append("<div class=\"row\">");
            TrainingCharts.of(run)
                    .forEach(chart -> html.append("<div class=\"col-12 col-lg-6\">")
                            .append(chart.toSvg())
                            .append("</div>"));
            html.append("</div>");
        }
        if (!run.restarts().isEmpty()) {
            html.append("<p>A dashed line: a generation went on from this step.</p>");
        }
        return html.append(generations(run)).append(checkpoints(run)).toString();
    }

    private static String state(TrainingRun run) {
        StringBuilder html = new StringBuilder("<ul class=\"list-unstyled\">");
        item(html, "Run", run.started().run());
        item(html, "State", stateOf(run));
        List<TrainingRun.Point> points = run.points();
        if (!points.isEmpty()) {
            TrainingRun.Point last = points.get(points.size() - 1);
            item(
                    html,
                    "Step",
                    String.format(
                            Locale.ROOT,
                            "%,d of %,d",
                            last.step(),
                            run.started().maxSteps()));
            item(html, "Training loss", String.format(Locale.ROOT, "%.4f nats a token", last.loss()));
            item(html, "Throughput", String.format(Locale.ROOT, "%,.0f tokens/s", last.tokensPerSecond()));
        }
        run.evaluations().entrySet().stream()
                .min(Map.Entry.comparingByValue())
                .ifPresent(best -> item(
                        html,
                        "Best validation loss",
                        String.format(Locale.ROOT, "%.4f at step %,d", best.getValue(), best.getKey())));
        run.started().facts().forEach((name, value) -> item(html, name, value));
        return html.append("</ul>").toString();
    }

    private static String stateOf(TrainingRun run) {
        return run.ended()
                .map(end -> end.cause().isEmpty()
                        ? "finished at " + UIUtils.formatDate(end.time())
                        : "failed at " + UIUtils.formatDate(end.time()) + ": " + end.cause())
                .orElse("running since " + UIUtils.formatDate(run.started().time()));
    }

    private static void item(StringBuilder html, String name, String value) {
        html.append(String.format(Locale.ROOT, "<li><strong>%s:</strong> %s</li>", escape(name), escape(value)));
    }

    private static String generations(TrainingRun run) {
        List<Attempt> all = run.attempts();
        StringBuilder html = new StringBuilder(
                all.size() <= ROWS
                        ? "<h4>Generations</h4>"
                        : String.format(Locale.ROOT, "<h4>Generations (the last %d of %d)</h4>", ROWS, all.size()));
        open(html, "Generation", "Attempt", "Started", "Ranks", "From step", "Ended by");
        for (Attempt attempt : all.subList(Math.max(0, all.size() - ROWS), all.size())) {
            String end = attempt.failure()
                    .map(failure -> UIUtils.formatDate(failure.time()) + ": " + failure.cause())
                    .orElse("");
            row(
                    html,
                    attempt.generation().number(),
                    attempt.generation().attempt(),
                    UIUtils.formatDate(attempt.generation().time()),
                    attempt.generation().worldSize(),
                    attempt.generation().startStep(),
                    end);
        }
        return html.append("</tbody></table>").toString();
    }

    private static String checkpoints(TrainingRun run) {
        StringBuilder html = new StringBuilder(String.format(
                Locale.ROOT,
                "<h4>Checkpoints (%d committed, the last first)</h4>",
                run.checkpoints().size()));
        open(html, "Step", "Committed", "Path");
        run.checkpoints().descendingMap().values().stream()
                .limit(ROWS)
                .forEach(checkpoint ->
                        row(html, checkpoint.step(), UIUtils.formatDate(checkpoint.time()), checkpoint.path()));
        return html.append("</tbody></table>").toString();
    }

    private static void open(StringBuilder html, String... columns) {
        html.append("<table class=\"table table-bordered table-sm table-striped\"><thead><tr>");
        for (String column : columns) {
            html.append("<th>").append(escape(column)).append("</th>");
        }
        html.append("</tr></thead><tbody>");
    }

    private static void row(StringBuilder html, Object... cells) {
        html.append("<tr>");
        for (Object cell : cells) {
            html.append("<td>").append(escape(cell.toString())).append("</td>");
        }
        html.append("</tr>");
    }
}
