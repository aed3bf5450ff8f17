package dev.kindling.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.util.ConcurrentModificationException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class SparkSessionsTest {
    private final AtomicInteger starts = new AtomicInteger();

    @Test
    void aStartThatMetItselfIsMadeAgain() {
        SparkSessions.started(() -> {
            if (starts.incrementAndGet() == 1) {
                throw new ConcurrentModificationException();
            }
            return null;
        });
        assertThat(starts).hasValue(2);
    }

    @Test
    void otherFailuresAreTold() {
        assertThatIllegalStateException()
                .isThrownBy(() -> SparkSessions.started(() -> {
                    starts.incrementAndGet();
                    throw new IllegalStateException("no executors");
                }))
                .withMessage("no executors");
        assertThat(starts).hasValue(1);
    }
}
