package dev.kindling.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.allreduce.Rounding;
import dev.kindling.config.Overrides;
import dev.kindling.config.TrainConfig;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class RoundingScheduleTest {
    private static RoundingSchedule schedule(String compression) {
        return RoundingSchedule.of(TrainConfig.defaults()
                .with(Overrides.set(
                        "cluster.compression=" + compression,
                        "checkpoint.interval=3",
                        "train.eval_interval=5",
                        "train.max_steps=8")));
    }

    @Test
    void residualsAreSentWhereThereMayBeACheckpoint() {
        assertThat(LongStream.range(0, 8).mapToObj(schedule("bf16")::at))
                .containsExactly(
                        Rounding.BF16,
                        Rounding.BF16,
                        Rounding.SETTLED,
                        Rounding.BF16,
                        Rounding.SETTLED,
                        Rounding.SETTLED,
                        Rounding.BF16,
                        Rounding.SETTLED);
    }

    @Test
    void withoutCompressionNothingIsRounded() {
        assertThat(LongStream.range(0, 8).mapToObj(schedule("none")::at)).containsOnly(Rounding.NONE);
    }
}
