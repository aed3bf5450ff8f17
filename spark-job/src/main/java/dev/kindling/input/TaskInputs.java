package dev.kindling.input;

import java.io.Serializable;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.Function;
import org.apache.spark.serializer.SerializerInstance;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

/**
 * Gives each task its own input, which travels with that task alone: a closure would carry the inputs of all tasks to each.
 * The driver holds them as bytes.
 */
public final class TaskInputs {
    private static final ClassTag<Object> ANY = ClassTag$.MODULE$.Object();

    private TaskInputs() {}

    /** As many tasks as there are inputs, at least one of them, in their order. */
    public static <T extends Serializable> JavaRDD<T> of(JavaSparkContext spark, Iterator<T> inputs) {
        SerializerInstance java = SparkEnv.get().closureSerializer().newInstance();
        List<byte[]> bytes = new ArrayList<>();
        inputs.forEachRemaining(input -> {
            ByteBuffer written = java.serialize((Object) input, ANY);
            byte[] exact = new byte[written.remaining()];
            written.get(exact);
            bytes.add(exact);
        });
        return spark.parallelize(bytes, bytes.size()).map(new Reading<>());
    }

    private static final class Reading<T> implements Function<byte[], T> {
        private static final long serialVersionUID = 1L;

        @Override
        @SuppressWarnings("unchecked") // as it was written
        public T call(byte[] bytes) {
            return (T) SparkEnv.get().closureSerializer().newInstance().deserialize(ByteBuffer.wrap(bytes), ANY);
        }
    }
}
