package dev.kindling.coordinate;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class RetainedTest {
    /** As when its host has lost power: executors hear nothing of it, and Spark does not end them for minutes. */
    @Test
    void whatIsKeptForADriverThatDoesNotAnswerIsSavedBeforeItIsClosed() throws Exception {
        BlockingQueue<String> calls = new LinkedBlockingQueue<>();
        new Retained(1).keep("a job whose driver no process has", new JobPlace.Kept() {
            @Override
            public void orphaned() {
                calls.add("orphaned");
            }

            @Override
            public void close() {
                calls.add("closed");
            }
        });
        assertThat(List.of(calls.poll(1, TimeUnit.MINUTES), calls.poll(1, TimeUnit.MINUTES)))
                .containsExactly("orphaned", "closed");
    }
}
