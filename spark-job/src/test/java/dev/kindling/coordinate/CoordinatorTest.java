package dev.kindling.coordinate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.allreduce.link.Peer;
import dev.kindling.coordinate.message.DriverReply;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.coordinate.message.RankMessage;
import dev.kindling.coordinate.message.Topic;
import java.util.Collections;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class CoordinatorTest {
    private static final Topic<Integer> STEP = new Topic<>("step", Integer.class);
    private static final RankMessage.Reports THOUSAND =
            new RankMessage.Reports(1, 0, Collections.nCopies(1000, STEP.wrap(7)));

    /** A store that hangs in a commit for a minute, and a thousand ranks that report meanwhile. */
    @Test
    void whileAHandlerHangsTheReportsThatWaitAreBounded() throws Exception {
        CountDownLatch hangs = new CountDownLatch(1);
        AtomicLong handled = new AtomicLong();
        TopicHandlers handlers = new TopicHandlers().on(STEP, (generation, rank, step) -> {
            hangs.await(1, TimeUnit.MINUTES);
            handled.incrementAndGet();
        });
        SparkConf conf =
                new SparkConf(false).setMaster("local[1]").setAppName("test").set("spark.ui.enabled", "false");
        try (JavaSparkContext spark = new JavaSparkContext(conf);
                Coordinator coordinator = new Coordinator(spark, handlers)) {
            Peer driver = new Peer(-1, "", 0, "driver", "");
            coordinator.open(new GenerationState(new Generation(1, 1, 0, 1), Limits.standard(), driver));
            coordinator.receive(new RankMessage.Join(1, 0, new Peer(0, "node", 1, "0", "")));
            int taken = 0;
            while (coordinator.receive(THOUSAND) instanceof DriverReply.Ok) {
                taken++;
                assertThat(taken).isLessThan(60);
            }
            assertThat(taken).isGreaterThanOrEqualTo(50);
            hangs.countDown();
            while (!(coordinator.receive(THOUSAND) instanceof DriverReply.Ok)) {
                Thread.sleep(10);
            }
            while (handled.get() < (taken + 1) * 1000L) {
                Thread.sleep(10);
            }
        }
    }
}
