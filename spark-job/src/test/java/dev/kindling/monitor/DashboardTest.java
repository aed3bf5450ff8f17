package dev.kindling.monitor;

import static org.assertj.core.api.Assertions.assertThat;

import com.codahale.metrics.MetricRegistry;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.spark.metrics.sink.PrometheusServlet;
import org.junit.jupiter.api.Test;

/** {@code conf/grafana-dashboard.json} asks for what Spark's servlet publishes of the gauges, and for all of it. */
class DashboardTest {
    private static final Pattern METRIC = Pattern.compile("metrics_[a-zA-Z0-9_\\[\\]+-]+_Value");

    /** The names that Prometheus scrapes of a run of two ranks, with the namespace that SparkSettings sets. */
    private static Set<String> published() {
        TrainingGauges gauges = new TrainingGauges();
        gauges.generationStarted(1, 2);
        MetricRegistry registry = new MetricRegistry();
        registry.register("kindling.driver." + gauges.sourceName(), gauges.metricRegistry());
        Properties properties = new Properties();
        properties.setProperty("path", "/metrics/prometheus");
        String snapshot = new PrometheusServlet(properties, registry).getMetricsSnapshot(null);
        return snapshot.lines()
                .map(line -> line.replaceFirst("\\{.*", ""))
                .filter(name -> name.endsWith("_Value"))
                .collect(Collectors.toSet());
    }

    private static List<String> expressions() throws IOException {
        JsonNode dashboard = new JsonMapper()
                .readTree(Path.of("../conf/grafana-dashboard.json").toFile());
        return Stream.concat(
                        dashboard.findValues("expr").stream(),
                        dashboard.path("templating").findValues("query").stream()
                                .filter(query -> query.asText().contains("_")))
                .map(JsonNode::asText)
                .toList();
    }

    @Test
    void everyExpressionNamesAPublishedMetricAndEveryMetricIsShown() throws IOException {
        Set<String> published = published();
        assertThat(published).contains("metrics_kindling_driver_training_loss_Value");
        Set<String> shown = new TreeSet<>();
        for (String expression : expressions()) {
            List<String> patterns = METRIC.matcher(expression)
                    .results()
                    .map(found -> found.group())
                    .toList();
            assertThat(patterns).as(expression).isNotEmpty();
            for (String pattern : patterns) {
                List<String> matched =
                        published.stream().filter(name -> name.matches(pattern)).toList();
                assertThat(matched).as(pattern).isNotEmpty();
                shown.addAll(matched);
            }
        }
        assertThat(shown).containsExactlyInAnyOrderElementsOf(published);
    }
}
