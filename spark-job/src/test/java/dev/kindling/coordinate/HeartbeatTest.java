package dev.kindling.coordinate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.coordinate.message.FencedException;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.Limits;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class HeartbeatTest {
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

    @Test
    void withoutADriverARankLeavesAtOnceOrAfterAStepThatAllFinishTogether() {
        try (Heartbeat alone = ofThisThread()) {
            alone.orphaned();
            assertThat(Thread.interrupted()).isTrue();
            assertThatThrownBy(alone::check).hasMessageContaining("its driver is gone");
        }
        try (Heartbeat together = ofThisThread()) {
            together.finishesStepsTogether();
            together.orphaned();
            together.waitsForPeers();
            together.check();
            assertThatThrownBy(() -> together.stepReached(8)).hasMessageContaining("its driver is gone");
            assertThat(Thread.interrupted()).isTrue();
        }
    }

    /** A rank's thread that an interrupt reaches a moment after it was sent. */
    private static final class SlowlyInterrupted extends Thread {
        private final CountDownLatch sent = new CountDownLatch(1);
        private volatile boolean interruptedAfterClose;

        @Override
        public void interrupt() {
            sent.countDown();
            try {
                Thread.sleep(300);
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            super.interrupt();
        }

        @Override
        public void run() {
            Heartbeat heartbeat = ofThisThread();
            Thread stopper = new Thread(() -> heartbeat.stop("the generation is over"));
            stopper.start();
            try {
                sent.await();
                heartbeat.close();
                Thread.interrupted();
                stopper.join();
            } catch (InterruptedException e) {
                interruptedAfterClose = true;
            }
        }
    }

    /** Spark uses the thread again: an order that comes late must not interrupt a task of another job. */
    @Test
    void noOrderToStopReachesTheThreadAfterClose() throws Exception {
        SlowlyInterrupted rank = new SlowlyInterrupted();
        rank.start();
        rank.join();
        assertThat(rank.interruptedAfterClose).isFalse();
    }
}
