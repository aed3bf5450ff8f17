package dev.kindling.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import dev.kindling.report.BackendReport.Row;
import dev.kindling.report.CategoryChart.Look;
import dev.kindling.report.RankMeasurement.Case;
import java.io.StringReader;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.xml.sax.InputSource;

class BackendReportTest {
    private static final BackendReport.Work WORK = new BackendReport.Work(4, 2, 8, 10);

    private static Case ran(String backend, List<Double> step, List<Double> forward, List<Double> losses) {
        return new Case(16, backend, false, "", backend, "ring", 2, step, forward, losses, 1 << 20, 0.25, null);
    }

    private static RankMeasurement rank(int rank, double peak, Case... cases) {
        return new RankMeasurement(rank, "host", "" + rank, "CPU", "fp32", peak, "measured", List.of(cases));
    }

    private static BackendReport report(double peak, double flashLoss) {
        Case refused = Case.refused(16, "efficient", false, "needs <CUDA> & more");
        List<RankMeasurement> ranks = List.of(
                rank(
                        0,
                        peak,
                        ran("math", List.of(10.0, 12.0), List.of(2.0, 2.0), List.of(3.0, 2.0)),
                        ran("flash", List.of(5.0, 5.0), List.of(1.0, 1.0), List.of(3.0, flashLoss)),
                        refused),
                rank(
                        1,
                        peak,
                        ran("math", List.of(11.0, 9.0), List.of(4.0, 4.0), List.of(3.0, 2.0)),
                        ran("flash", List.of(4.0, 4.0), List.of(2.0, 2.0), List.of(3.0, 2.0)),
                        refused));
        BackendReport.About about = new BackendReport.About(
                "compared", "today", "a: b", Map.of("Devices", "CPU"), new BackendReport.Method(2, 2, 3), List.of());
        return BackendReport.of(about, WORK, Map.of(2, ranks));
    }

    /** Math's and flash's measurements of two ranks, the second with three times the sequences of the first. */
    private static BackendReport withEnergy(Double first, Double second) {
        List<RankMeasurement> ranks = List.of(
                rank(0, 1e9, energetic("math", 1, first), energetic("flash", 1, 1.0)),
                rank(1, 1e9, energetic("math", 3, second), energetic("flash", 3, 1.0)));
        return BackendReport.of(report(1, 2.0).about(), WORK, Map.of(2, ranks));
    }

    private static Case energetic(String backend, int sequences, Double energy) {
        List<Double> millis = List.of(5.0, 6.0);
        return new Case(
                16, backend, false, "", backend, "ring", sequences, millis, millis, List.of(3.0), 1, 0.25, energy);
    }

    @Test
    void energyIsThatOfAllRanksByTheTokensOfAll() throws Exception {
        BackendReport report = withEnergy(2.0, 1.0);
        assertThat(report.rows().get(0).joulesPerThousandTokens().orElseThrow()).isEqualTo(1.25, within(1e-12));
        assertThat(BackendTable.format(report)).contains("J/1k tok", "1.25");
        JsonNode rows = BackendJson.of(report).get("results");
        assertThat(rows.get(0).get("joules_per_thousand_tokens").asDouble()).isEqualTo(1.25, within(1e-12));
        assertThat(rows.get(0)
                        .get("ranks")
                        .get(0)
                        .get("joules_per_thousand_tokens")
                        .asDouble())
                .isEqualTo(2);
        assertThat(BackendPage.format(report)).contains("<td>1.25</td>");
    }

    @Test
    void energyOfWhichARankKnowsNothingIsLeftOut() throws Exception {
        BackendReport report = withEnergy(2.0, null);
        assertThat(report.rows().get(0).joulesPerThousandTokens()).isEmpty();
        JsonNode row = BackendJson.of(report).get("results").get(0);
        assertThat(row.has("joules_per_thousand_tokens")).isFalse();
        assertThat(row.get("ranks").get(1).has("joules_per_thousand_tokens")).isFalse();
    }

    @Test
    void theIntervalIsStudents() {
        // Mean 5, s = 2.138, n = 8: t(0.975, 7) = 2.3646.
        Estimate estimate = Estimate.of(List.of(2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0));
        assertThat(estimate.mean()).isEqualTo(5.0, within(1e-12));
        assertThat(estimate.halfWidth()).isEqualTo(1.7875, within(1e-4));
        assertThat(estimate.high() - estimate.low()).isEqualTo(2 * estimate.halfWidth(), within(1e-12));
        assertThat(Estimate.of(List.of(3.0)).halfWidth()).isNaN();
        assertThat(Estimate.of(List.of(3.0, 3.0)).halfWidth()).isZero();
    }

    @Test
    void aStepTakesAsLongAsItsSlowestRank() {
        List<Row> rows = report(1e6, 2.0).rows();
        assertThat(rows.get(0).step().millis().samples()).containsExactly(11.0, 12.0);
        assertThat(rows.get(0).forward().millis().samples()).containsExactly(4.0, 4.0);
        assertThat(rows.get(1).step().tokensPerSecond().mean()).isEqualTo(4 * 16 / 5e-3, within(1e-6));
        assertThat(rows.get(1).speedup().samples()).containsExactly(11.0 / 5, 12.0 / 5);
        assertThat(rows.get(0).ranks().get(1).step().millis().samples()).containsExactly(11.0, 9.0);
        assertThat(rows.get(2).ran()).isFalse();
    }

    @Test
    void mfuIsOperationsByTimeByAllPeaks() {
        // Forward, a token: 24 L C^2 + 2 V C + 4 L T C.
        assertThat(WORK.forwardFlops(16)).isEqualTo(24 * 2 * 64 + 2 * 10 * 8 + 4 * 2 * 16 * 8);
        double flops = 3 * WORK.forwardFlops(16) * 4 * 16;
        assertThat(report(1e9, 2.0).rows().get(1).mfu().orElseThrow()).isEqualTo(flops / 5e-3 / 2e9, within(1e-12));
        assertThat(report(0, 2.0).rows().get(1).mfu()).isEmpty();
    }

    @Test
    void parityIsTheLargestDifferenceOfTheSummedLosses() {
        assertThat(report(1, 2.0).rows().get(1).parity().holds()).isTrue();
        BackendReport.Parity parity = report(1, 2.01).rows().get(1).parity();
        assertThat(parity.difference()).isEqualTo(0.01 / 4, within(1e-9));
        assertThat(parity.holds()).isFalse();
        assertThat(parity.reference()).isEqualTo("math");
        assertThat(report(1, Double.NaN).rows().get(1).parity().holds()).isFalse();
    }

    @Test
    void everyFormShowsNumbersAndReasons() {
        BackendReport report = report(1e9, 2.01);
        assertThat(BackendTable.format(report))
                .contains("efficient  eager     cannot run: needs <CUDA> & more", "DISAGREES", "2.30x");
        assertThat(BackendJson.of(report).toPrettyString())
                .contains("\"refusal\" : \"needs <CUDA> & more\"", "\"holds\" : false");
        assertThat(BackendPage.format(report))
                .contains("needs &lt;CUDA&gt; &amp; more", "DISAGREE")
                .doesNotContain("<CUDA>");
    }

    @ParameterizedTest
    @ValueSource(strings = {"de-DE", "ar-EG-u-nu-arab"})
    void numbersAreTheSameInEveryLocale(String tag) {
        BackendReport report = report(1e9, 2.01);
        LineChart.Series series = new LineChart.Series(
                "loss", LineChart.Look.AREA, List.of(new LineChart.Point(1, 4.5), new LineChart.Point(2000, 1.25)));
        LineChart chart =
                new LineChart("loss", new LineChart.Axes("step", "loss", false), List.of(series), List.of(7.0));
        List<Supplier<String>> texts = List.of(
                () -> BackendPage.format(report),
                () -> BackendTable.format(report),
                () -> BackendJson.of(report).toPrettyString(),
                chart::toSvg);
        Locale own = Locale.getDefault();
        try {
            for (Supplier<String> text : texts) {
                Locale.setDefault(Locale.ROOT);
                String root = text.get();
                Locale.setDefault(Locale.forLanguageTag(tag));
                assertThat(text.get()).isEqualTo(root);
            }
        } finally {
            Locale.setDefault(own);
        }
    }

    @Test
    void aReportWithoutNumbersHasNoCharts() {
        RankMeasurement only = rank(0, 1, Case.refused(16, "efficient", false, "no"));
        BackendReport report = BackendReport.of(report(1, 2.0).about(), WORK, Map.of(1, List.of(only)));
        assertThat(BackendPage.format(report)).contains("cannot run: no").doesNotContain("<svg");
        assertThat(BackendTable.format(report)).contains("cannot run: no");
    }

    @Test
    void chartsAreWellFormedWithGapsAndGuides() throws Exception {
        for (Look look : Look.values()) {
            CategoryChart chart = new CategoryChart(
                    "a < b & c",
                    "x",
                    "y",
                    look,
                    List.of("1", "2"),
                    List.of(
                            new CategoryChart.Series(
                                    "s", List.of(Optional.of(Estimate.of(List.of(1.0, 2.0))), Optional.empty()), false),
                            new CategoryChart.Series(
                                    "g", List.of(Optional.of(Estimate.of(List.of(1.0))), Optional.empty()), true)));
            var document = DocumentBuilderFactory.newInstance()
                    .newDocumentBuilder()
                    .parse(new InputSource(new StringReader(chart.toSvg())));
            assertThat(document.getDocumentElement().getAttribute("aria-label")).isEqualTo("a < b & c");
            assertThat(chart.toSvg()).doesNotContain("NaN");
        }
    }
}
