package dev.kindling.monitor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.kindling.monitor.TrainingEvent.Steps;
import dev.kindling.report.RankTimes;
import dev.kindling.report.StepMetrics;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.OptionalDouble;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.spark.scheduler.SparkListenerEvent;
import org.apache.spark.util.JsonProtocol;
import org.junit.jupiter.api.Test;

class TrainingFeedTest {
    private long nanos;
    private final List<TrainingEvent> events = new ArrayList<>();

    private static StepMetrics step(long step, OptionalDouble valLoss) {
        List<RankTimes> ranks = List.of(new RankTimes(1, 200, 6.5), new RankTimes(1, 206, 0.5));
        return new StepMetrics(step, step, 1e-3, step % 13, 300, List.of(100.0, 200.0), 207.5, valLoss, ranks);
    }

    private long eventLogBytes() {
        return events.stream()
                .mapToLong(event -> JsonProtocol.sparkEventToJsonString(event).getBytes(StandardCharsets.UTF_8).length)
                .sum();
    }

    @Test
    void aLongRunTakesLittleOfTheEventLog() {
        TrainingFeed feed = new TrainingFeed(100_000, () -> nanos, events::add);
        for (int step = 1; step <= 100_000; step++) {
            nanos += TimeUnit.MILLISECONDS.toNanos(20);
            feed.add(step(step, step % 1000 == 0 ? OptionalDouble.of(1.5) : OptionalDouble.empty()));
        }
        feed.flush();
        long points = events.stream()
                .mapToLong(event -> ((Steps) event).step().length)
                .sum();
        assertThat(points).isEqualTo(1000);
        assertThat(events.stream()
                        .mapToLong(event -> ((Steps) event).evaluations().size())
                        .sum())
                .isEqualTo(100);
        assertThat(eventLogBytes()).isLessThan(600_000);
    }

    @Test
    void aPointIsTheMeanOfItsSteps() {
        TrainingFeed feed = new TrainingFeed(2000, () -> nanos, events::add);
        for (int step = 1; step <= 5; step++) {
            feed.add(step(step, OptionalDouble.empty()));
        }
        feed.flush();
        assertThat(events).singleElement().satisfies(event -> {
            Steps steps = (Steps) event;
            assertThat(steps.step()).containsExactly(2, 4, 5);
            assertThat(steps.loss()).containsExactly(1.5f, 3.5f, 5);
            assertThat(steps.gradNorm()).containsExactly(2, 4, 5);
            assertThat(steps.rankTokensPerSecond().get(1)).containsExactly(200, 200, 200);
            assertThat(steps.millis().keySet()).containsExactly("data", "compute", "communication", "wait");
            double sum = steps.millis().values().stream()
                    .mapToDouble(millis -> millis[0])
                    .sum();
            assertThat(sum).as("the parts make up the step").isCloseTo(207.5, within(1e-3));
        });
    }

    @Test
    void slowStepsAreShownAsTheyCome() {
        TrainingFeed feed = new TrainingFeed(1_000_000, () -> nanos, events::add);
        for (int step = 1; step <= 7; step++) {
            nanos += TimeUnit.SECONDS.toNanos(13);
            feed.add(step(step, OptionalDouble.empty()));
        }
        assertThat(events).hasSize(7);
    }

    @Test
    void sparkReadsFromItsEventLogWhatItWrote() {
        TrainingFeed feed = new TrainingFeed(10, () -> nanos, events::add);
        feed.add(step(1, OptionalDouble.of(2.25)));
        feed.flush();
        SparkListenerEvent read = JsonProtocol.sparkEventFromJson(JsonProtocol.sparkEventToJsonString(events.get(0)));
        assertThat(read).usingRecursiveComparison().isEqualTo(events.get(0));
    }

    /** A step of ten seconds each for a month. */
    @Test
    void aRunOfAMonthTakesAFewThousandPoints() {
        TrainingFeed feed = new TrainingFeed(1_000_000, () -> nanos, events::add);
        for (int step = 1; step <= 259_200; step++) {
            nanos += TimeUnit.SECONDS.toNanos(10);
            feed.add(step(step, OptionalDouble.empty()));
        }
        feed.flush();
        assertThat(events.stream()
                        .mapToLong(event -> ((Steps) event).step().length)
                        .sum())
                .isBetween(5_000L, 7_000L);
    }

    @Test
    void aThousandRanksAreToldByTheirSlowestMedianAndFastest() {
        TrainingFeed feed = new TrainingFeed(10, () -> nanos, events::add);
        List<Double> speeds =
                IntStream.rangeClosed(1, 1000).mapToObj(rank -> (double) rank).toList();
        List<RankTimes> times = Collections.nCopies(1000, new RankTimes(1, 200, 6.5));
        feed.add(new StepMetrics(1, 4, 1e-3, 1, 500_500, speeds, 207.5, OptionalDouble.empty(), times));
        feed.flush();
        assertThat(((Steps) events.get(0)).rankTokensPerSecond())
                .containsExactly(new float[] {1}, new float[] {500.5f}, new float[] {1000});
    }

    @Test
    void aThousandRanksHaveThreeGauges() {
        TrainingGauges gauges = new TrainingGauges();
        gauges.generationStarted(1, 1000);
        assertThat(gauges.metricRegistry().getNames())
                .contains("rank_slowest_tokens_per_second", "rank_median_tokens_per_second")
                .hasSize(14);
        gauges.generationStarted(2, 8);
        assertThat(gauges.metricRegistry().getNames())
                .contains("rank0_tokens_per_second", "rank7_tokens_per_second")
                .hasSize(19);
    }
}
