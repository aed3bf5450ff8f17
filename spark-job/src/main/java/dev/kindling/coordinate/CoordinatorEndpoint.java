package dev.kindling.coordinate;

import dev.kindling.coordinate.message.DriverReply;
import dev.kindling.coordinate.message.MessageCodec;
import dev.kindling.coordinate.message.RankMessage;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.spark.SparkEnv;
import org.apache.spark.rpc.IsolatedThreadSafeRpcEndpoint;
import org.apache.spark.rpc.RpcCallContext;
import org.apache.spark.rpc.RpcEndpointRef;
import org.apache.spark.rpc.RpcEnv;
import org.apache.spark.util.RpcUtils;
import scala.Function1;
import scala.PartialFunction;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;
import scala.runtime.AbstractPartialFunction;
import scala.runtime.BoxedUnit;

/**
 * The door between executors and driver: an endpoint of Spark's own RPC, with its authentication and encryption. The
 * driver adds it to an application that runs already, as a plugin ({@code spark.plugins}), which Spark loads only while an
 * application starts, could not be. It answers as long as the application runs, also between jobs. Tasks cannot be handed
 * anything but what they are sent with, hence the static references, the only ones of Kindling's control plane.
 */
final class CoordinatorEndpoint implements IsolatedThreadSafeRpcEndpoint {
    private static final String NAME = "kindling-coordinator";
    private static final ClassTag<byte[]> BYTES = ClassTag$.MODULE$.apply(byte[].class);

    private static final AtomicReference<Coordinator> DRIVER = new AtomicReference<>();
    private static final Retained RETAINED = new Retained();

    /** Of the driver, in the application that {@code environment} is of. */
    private record Line(RpcEnv environment, RpcEndpointRef driver) {}

    private static RpcEnv registered; // guarded by the class
    private static volatile Line line;

    private final RpcEnv environment;

    private CoordinatorEndpoint(RpcEnv environment) {
        this.environment = environment;
    }

    /** On the driver: what ranks say is the coordinator's from now on. */
    static synchronized void connect(Coordinator coordinator) {
        if (!DRIVER.compareAndSet(null, coordinator)) {
            throw new IllegalStateException("a Coordinator is open in this driver already; close it first");
        }
        RpcEnv environment = SparkEnv.get().rpcEnv();
        if (registered != environment) {
            environment.setupEndpoint(NAME, new CoordinatorEndpoint(environment));
            registered = environment;
        }
    }

    static void disconnect(Coordinator coordinator) {
        DRIVER.compareAndSet(coordinator, null);
    }

    /** Asks the driver, from an executor; what its answer throws is thrown here. */
    static DriverReply ask(RankMessage message) throws Exception {
        return MessageCodec.decode(driver().askSync(MessageCodec.encode(message), BYTES), DriverReply.class);
    }

    private static RpcEndpointRef driver() {
        SparkEnv spark = SparkEnv.get();
        Line last = line;
        if (last == null || last.environment() != spark.rpcEnv()) {
            last = new Line(spark.rpcEnv(), RpcUtils.makeDriverRef(NAME, spark.conf(), spark.rpcEnv()));
            line = last;
        }
        return last.driver();
    }

    /** The one place of this executor process that outlives a generation. */
    static Retained retained() {
        return RETAINED;
    }

    @Override
    public RpcEnv rpcEnv() {
        return environment;
    }

    @Override
    public PartialFunction<Object, BoxedUnit> receiveAndReply(RpcCallContext caller) {
        return new AbstractPartialFunction<>() {
            @Override
            public boolean isDefinedAt(Object message) {
                return message instanceof byte[];
            }

            @Override
            public <A, B> B applyOrElse(A message, Function1<A, B> otherwise) {
                if (!isDefinedAt(message)) {
                    return otherwise.apply(message);
                }
                try {
                    caller.reply(answer((byte[]) message));
                } catch (RuntimeException | Error e) {
                    caller.sendFailure(e);
                }
                @SuppressWarnings("unchecked") // Scala's PartialFunction of a procedure
                B nothing = (B) BoxedUnit.UNIT;
                return nothing;
            }
        };
    }

    private static byte[] answer(byte[] message) {
        Coordinator coordinator = DRIVER.get();
        return MessageCodec.encode(
                coordinator == null
                        ? new DriverReply.Stop("the driver has no coordinator; the job is over")
                        : coordinator.receive(MessageCodec.decode(message, RankMessage.class)));
    }
}
