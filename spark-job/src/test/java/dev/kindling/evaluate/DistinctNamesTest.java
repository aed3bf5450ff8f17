package dev.kindling.evaluate;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class DistinctNamesTest {
    /** Spark keeps the value with each task's end, so that it may not grow with the tasks. */
    @Test
    void theValueOfTenThousandTasksIsThatOfTheirDevices() {
        DistinctNames all = new DistinctNames();
        for (int task = 0; task < 10_000; task++) {
            DistinctNames one = (DistinctNames) all.copyAndReset();
            assertThat(one.isZero()).isTrue();
            one.add(task % 2 == 0 ? "H200" : "CPU");
            all.merge(one);
        }
        assertThat(all.value()).isEqualTo("CPU; H200");
    }
}
