package dev.kindling.coordinate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.coordinate.message.FencedException;
import dev.kindling.coordinate.message.Topic;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class ReportQueueTest {
    private static Topic.Value report(int number) {
        return new Topic<>("step " + number, Integer.class).wrap(number);
    }

    private static List<String> topics(int count) {
        return IntStream.range(0, count).mapToObj(number -> "step " + number).toList();
    }

    @Test
    void reportsArriveInOrderWithoutAFlushAndSeveralInAMessage() throws Exception {
        List<String> arrived = Collections.synchronizedList(new ArrayList<>());
        List<Integer> sizes = Collections.synchronizedList(new ArrayList<>());
        CountDownLatch all = new CountDownLatch(2500);
        try (ReportQueue queue = new ReportQueue("test", 100, batch -> {
            sizes.add(batch.size());
            batch.forEach(each -> {
                arrived.add(each.topic());
                all.countDown();
            });
        })) {
            IntStream.range(0, 2500).mapToObj(ReportQueueTest::report).forEach(queue::add);
            assertThat(all.await(10, TimeUnit.SECONDS)).isTrue();
        }
        assertThat(arrived).isEqualTo(topics(2500));
        assertThat(sizes).hasSizeLessThan(2500).allMatch(size -> size <= 1000);
    }

    @Test
    void anErrorOnTheWayIsTheNextCallersAsWell() throws Exception {
        CountDownLatch thrown = new CountDownLatch(1);
        try (ReportQueue queue = new ReportQueue("test", 100, batch -> {
            thrown.countDown();
            throw new NoClassDefFoundError("a class that this process lacks");
        })) {
            queue.add(report(0));
            assertThat(thrown.await(2, TimeUnit.MINUTES)).isTrue();
            assertThatThrownBy(() -> {
                        while (true) { // the failure is kept a moment after it was thrown
                            queue.flush();
                            Thread.sleep(1);
                        }
                    })
                    .isInstanceOf(NoClassDefFoundError.class);
        }
    }

    @Test
    void flushReturnsWhenAllHaveArrivedAlsoThoseOnTheirWay() throws Exception {
        List<String> arrived = Collections.synchronizedList(new ArrayList<>());
        CountDownLatch onTheWay = new CountDownLatch(1);
        try (ReportQueue queue = new ReportQueue("test", 100, batch -> {
            onTheWay.countDown();
            sleep(200);
            batch.forEach(each -> arrived.add(each.topic()));
        })) {
            queue.add(report(0));
            onTheWay.await();
            queue.add(report(1));
            queue.flush();
            assertThat(arrived).isEqualTo(topics(2));
        }
    }

    @Test
    void aFailureReachesTheNextCall() {
        try (ReportQueue queue = new ReportQueue("test", 100, batch -> {
            throw new IllegalStateException("the driver is away");
        })) {
            queue.add(report(0));
            assertThatThrownBy(() -> {
                        while (true) {
                            sleep(10);
                            queue.add(report(1));
                        }
                    })
                    .hasMessage("the driver is away");
            assertThatThrownBy(queue::flush).hasMessage("the driver is away");
        }
    }

    @Test
    void anInterruptEndsAFlushThatWaits() throws Exception {
        CountDownLatch onTheWay = new CountDownLatch(1);
        CountDownLatch release = new CountDownLatch(1);
        try (ReportQueue queue = new ReportQueue("test", 100, batch -> {
            onTheWay.countDown();
            awaitUninterrupted(release);
        })) {
            queue.add(report(0));
            onTheWay.await();
            Thread.currentThread().interrupt();
            assertThatThrownBy(queue::flush).isInstanceOf(FencedException.class);
            assertThat(Thread.interrupted()).isTrue();
            release.countDown();
        }
    }

    private static void sleep(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void awaitUninterrupted(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
