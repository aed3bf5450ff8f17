package dev.kindling.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.esotericsoftware.kryo.Kryo;
import dev.kindling.allreduce.link.Peer;
import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.evaluate.PassageScore;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.spark.SparkConf;
import org.apache.spark.serializer.KryoSerializer;
import org.apache.spark.serializer.SerializerInstance;
import org.junit.jupiter.api.Test;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

class KryoRegistrationsTest {
    private static final List<Record> SAMPLES = List.of(
            new Generation(3, 2, 250L, 1),
            new Limits(1, 2, 3, 4, 5, 6, 7, 8, 9),
            new FirstCause(1, "rank 1 (executor 0 on node7)", "java.io.IOException: disk full", "", true),
            new Peer(1, "node7", 4711, "0", "GPU-5a1e"),
            new PassageScore("a.txt", 3, 4, 2, 1L << 31, null));

    private record Stranger(int x) {}

    private static SerializerInstance kryo() {
        SparkConf conf = SparkSettings.withoutBarriers(new SparkConf(false), "test", 2, 0)
                .set("spark.kryo.registrationRequired", "true"); // what is not registered has to show
        return new KryoSerializer(conf).newInstance();
    }

    private static Object roundTrip(Object value) {
        ClassTag<Object> any = ClassTag$.MODULE$.apply(Object.class);
        SerializerInstance kryo = kryo();
        return kryo.deserialize(kryo.serialize(value, any), any);
    }

    @Test
    void everyRegisteredRecordComesBackEqual() {
        Kryo kryo = new Kryo();
        int first = kryo.getNextRegistrationId();
        new KryoRegistrations().registerClasses(kryo);
        assertThat(IntStream.range(first, kryo.getNextRegistrationId())
                        .mapToObj(id -> kryo.getRegistration(id).getType()))
                .containsExactlyInAnyOrderElementsOf(
                        SAMPLES.stream().map(Record::getClass).toList());
        for (Record sample : SAMPLES) {
            assertThat(roundTrip(sample)).isEqualTo(sample).isNotSameAs(sample);
        }
    }

    @Test
    void whatTheUserHasSetStays() {
        SparkConf conf = new SparkConf(false).set("spark.kryo.registrator", "their.Registrator");
        SparkSettings.withoutBarriers(conf, "test", 2, 0);
        SparkSettings.withoutBarriers(conf, "test", 2, 0);
        assertThat(conf.get("spark.kryo.registrator"))
                .isEqualTo("their.Registrator," + KryoRegistrations.class.getName());
        assertThat(conf.contains("spark.kryo.registrationRequired")).isFalse();
    }

    @Test
    void anUnregisteredClassIsRefusedByName() {
        assertThatThrownBy(() -> roundTrip(new Stranger(1))).hasStackTraceContaining("Stranger");
    }
}
