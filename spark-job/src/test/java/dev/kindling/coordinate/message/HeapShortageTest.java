package dev.kindling.coordinate.message;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.ExecutionException;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;

class HeapShortageTest {
    @Test
    void anArrayThatDoesNotFitNamesTheSettingAndItsValue() {
        SparkConf conf = new SparkConf(false).set("spark.executor.memory", "512m");
        Throwable failure = new ExecutionException(new OutOfMemoryError("Java heap space"));
        assertThat(HeapShortage.among(failure, conf).orElseThrow())
                .hasMessage(
                        "an executor of spark.executor.memory=512m ran out of memory (Java heap space); give it more (--executor-memory, which is spark.executor.memory), or less to do at once (train.micro_batch, model.block_size; --batch of evaluate and generate)");
        assertThat(HeapShortage.among(new IllegalStateException("another"), conf))
                .isEmpty();
    }
}
