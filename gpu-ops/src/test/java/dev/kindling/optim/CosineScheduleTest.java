package dev.kindling.optim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class CosineScheduleTest {
    private final CosineSchedule schedule = new CosineSchedule(1e-3f, 1e-4f, 100, 5000);

    @Test
    void warmsUpLinearly() {
        assertThat(schedule.at(0)).isCloseTo(1e-3f / 101, within(1e-9f));
        assertThat(schedule.at(49)).isCloseTo(1e-3f * 50 / 101, within(1e-9f));
    }

    @Test
    void fallsByACosine() {
        assertThat(schedule.at(100)).isEqualTo(1e-3f);
        assertThat(schedule.at(2550)).isCloseTo(5.5e-4f, within(1e-9f));
        assertThat(schedule.at(4999)).isCloseTo(1e-4f, within(1e-8f)).isGreaterThanOrEqualTo(1e-4f);
    }

    @Test
    void staysAtTheMinimum() {
        assertThat(schedule.at(5000)).isEqualTo(1e-4f);
        assertThat(schedule.at(1_000_000)).isEqualTo(1e-4f);
    }
}
