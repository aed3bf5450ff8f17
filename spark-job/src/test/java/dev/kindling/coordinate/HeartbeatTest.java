package dev.kindling.coordinate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.coordinate.message.FencedException;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.Limits;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class HeartbeatTest {
    private static final int TRIES = 20_000;

    private static Heartbeat ofThisThread() {
        return new Heartbeat(new Generation(1, 2, 0, 1), Limits.standard(), 1);
    }

    @Test
    void anOrderToStopInterruptsTheRankAndIsThrown() {
        try (Heartbeat heartbeat = ofThisThread()) {
            heartbeat.check();
            heartbeat.stop("rank 0 has failed");
            assertThat(Thread.interrupted()).isTrue();
            assertThatThrownBy(heartbeat::check)
                    .isInstanceOf(FencedException.class)
                    .hasMessage("rank 1 of generation 1 must stop: rank 0 has failed");
        }
    }

    /** Spark uses the thread again: an order that comes late must not interrupt a task of another job. */
    @Test
    void noOrderToStopReachesTheThreadAfterClose() throws Exception {
        AtomicReference<Heartbeat> next = new AtomicReference<>();
        Thread stopper = new Thread(() -> {
            for (int i = 0; i < TRIES; i++) {
                Heartbeat heartbeat;
                do {
                    heartbeat = next.get();
                } while (heartbeat == null);
                heartbeat.stop("the generation is over");
                next.set(null);
            }
        });
        stopper.start();
        int late = 0;
        for (int i = 0; i < TRIES; i++) {
            Heartbeat heartbeat = ofThisThread();
            next.set(heartbeat);
            heartbeat.close();
            Thread.interrupted();
            while (next.get() != null) {
                Thread.onSpinWait();
            }
            late += Thread.interrupted() ? 1 : 0;
        }
        stopper.join();
        assertThat(late).isZero();
    }
}
