package dev.kindling.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class StartClockTest {
    @Test
    void whatAnotherProcessMeasuredIsTakenFromThePhaseItEnded() throws InterruptedException {
        StartClock clock = StartClock.now();
        Thread.sleep(60);
        clock.mark("executors", List.of(new StartClock.Phase("device", 0.02), new StartClock.Phase("weights", 0.01)));
        List<StartClock.Phase> phases = clock.phases();
        assertThat(phases).extracting(StartClock.Phase::name).containsExactly("executors", "device", "weights");
        assertThat(phases.get(0).seconds()).isGreaterThanOrEqualTo(0.0295); // of at least 60 ms, 30 were measured
        clock.mark("first step");
        double sum =
                clock.phases().stream().mapToDouble(StartClock.Phase::seconds).sum();
        assertThat(clock.line())
                .startsWith("first step ")
                .contains("s after submit: executors ", ", device 0.02, weights 0.01, first step ");
        assertThat(sum).isGreaterThanOrEqualTo(0.0595);
    }

    @Test
    void theDriversClockKnowsWhenItsJvmBegan() {
        StartClock clock = StartClock.ofDriver();
        assertThat(clock.phases()).extracting(StartClock.Phase::name).containsExactly("driver's JVM");
        assertThat(clock.phases().get(0).seconds()).isPositive();
    }
}
