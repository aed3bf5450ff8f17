package dev.kindling.coordinate;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class SilenceTest {
    private static final long BOUND = 5_000;

    private long millis;
    private long collected;
    private final Silence silence = new Silence(() -> millis * 1_000_000);

    private void beatAfter(long pause) {
        millis += pause;
        silence.hear();
        silence.beat(collected);
    }

    private void beatFor(long duration) {
        for (long end = millis + duration; millis < end; ) {
            beatAfter(200);
        }
    }

    /** The shortest silence that is too long. */
    private long bound() {
        long begin = millis;
        while (!silence.exceeds(BOUND)) {
            millis++;
        }
        long bound = millis - begin;
        millis = begin;
        return bound;
    }

    @Test
    void aFrozenProcessIsFoundAtTheBound() {
        beatFor(100_000);
        assertThat(bound()).isEqualTo(5_001);
        assertThat(silence.describe(BOUND)).isEqualTo("no heartbeat for 5000 ms");
    }

    @Test
    void oneThatIsStarvedHasAsMuchMoreAsItHasBeenLateUntilThatIsAMinuteAgo() {
        beatFor(10_000);
        beatAfter(3_000);
        assertThat(bound()).isEqualTo(8_001);
        assertThat(silence.describe(BOUND)).isEqualTo("no heartbeat for 8000 ms, after heartbeats up to 3000 ms apart");
        beatFor(25_000);
        assertThat(bound()).isEqualTo(8_001);
        beatFor(62_000);
        assertThat(bound()).isEqualTo(5_001);
    }

    @Test
    void oneThatCollectsGarbageHasThreeTimesTheBound() {
        collected = 7_000; // before it was a rank
        beatFor(20_000);
        assertThat(bound()).isEqualTo(5_001);
        for (int i = 0; i < 10; i++) {
            collected += 700;
            beatAfter(900);
        }
        assertThat(bound()).isEqualTo(15_001);
        assertThat(silence.describe(BOUND))
                .isEqualTo("no heartbeat for 15000 ms, after 24 % of its time in garbage collections");
    }

    @Test
    void noneHasMoreThanThreeTimesTheBound() {
        beatFor(10_000);
        beatAfter(14_000);
        assertThat(bound()).isEqualTo(15_001);
    }

    @Test
    void timeInWhichTheDriverStoodStillDoesNotCount() {
        beatFor(10_000);
        millis += 8_000;
        silence.postpone(7_950_000_000L);
        assertThat(bound()).isEqualTo(5_001 - 50);
        beatAfter(200);
        assertThat(bound()).isEqualTo(5_001);
    }
}
