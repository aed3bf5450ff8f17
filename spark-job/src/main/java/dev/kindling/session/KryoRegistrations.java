package dev.kindling.session;

import com.esotericsoftware.kryo.Kryo;
import dev.kindling.allreduce.link.Peer;
import dev.kindling.coordinate.message.FirstCause;
import dev.kindling.coordinate.message.Generation;
import dev.kindling.coordinate.message.Limits;
import dev.kindling.evaluate.PassageScore;
import java.util.List;
import org.apache.spark.SparkConf;
import org.apache.spark.serializer.KryoRegistrator;

/**
 * Everything of Kindling that crosses Kryo. Whether the rest may, which is Spark's and the user's, is for the user's {@code
 * spark.kryo.registrationRequired} to say.
 */
public final class KryoRegistrations implements KryoRegistrator {
    private static final String REGISTRATORS = "spark.kryo.registrator";

    /** In the order of their numbers in the stream: add new ones at the end. */
    private static final List<Class<? extends Record>> RECORDS =
            List.of(Generation.class, Limits.class, FirstCause.class, Peer.class, PassageScore.class);

    /** Registers these beside what the user's own registrators do. */
    static void configure(SparkConf conf) {
        String own = KryoRegistrations.class.getName();
        String given = conf.get(REGISTRATORS, own);
        conf.set(REGISTRATORS, given.contains(own) ? given : given + "," + own);
    }

    @Override
    public void registerClasses(Kryo kryo) {
        for (Class<? extends Record> type : RECORDS) {
            register(kryo, type);
        }
    }

    private static <R extends Record> void register(Kryo kryo, Class<R> type) {
        kryo.register(type, new RecordSerializer<>(type));
    }
}
