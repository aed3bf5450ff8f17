package dev.kindling.allreduce.link;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.coordinate.EmbeddedCluster;
import java.nio.ByteBuffer;
import java.util.Map;
import org.apache.spark.SparkEnv;
import org.apache.spark.network.TransportContext;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.netty.SparkTransportConf;
import org.apache.spark.network.server.NoOpRpcHandler;
import org.apache.spark.network.util.TransportConf;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import scala.Option;

/** What a stranger can send to a port of Spark's transport. */
@Timeout(60)
class StreamEndpointTest {
    @Test
    void sizesAndGenerationsFromTheWireAreChecked() throws Exception {
        try (EmbeddedCluster cluster = new EmbeddedCluster(1, Map.of());
                MeshEndpoint endpoint = new StreamEndpoint(7, 2, 1000)) {
            TransportConf client = SparkTransportConf.fromSparkConf(
                    cluster.sc().getConf(), "kindling", 1, Option.empty(), Option.empty());
            try (TransportContext context = new TransportContext(client, new NoOpRpcHandler());
                    TransportClient open = context.createClientFactory()
                            .createClient(
                                    SparkEnv.get()
                                            .blockManager()
                                            .blockManagerId()
                                            .host(),
                                    endpoint.port())) {
                assertThatThrownBy(() -> open.sendRpcSync(header(6, 1, 0), 5_000))
                        .hasMessageContaining("message of generation 6 refused, this is generation 7");
                assertThatThrownBy(() -> open.sendRpcSync(header(7, 9, 0), 5_000))
                        .hasMessageContaining("rank 9 of 2");
                assertThatThrownBy(() -> open.sendRpcSync(header(7, 1, Integer.MAX_VALUE), 5_000))
                        .hasMessageContaining("2147483647 bytes refused");
                assertThatThrownBy(() -> open.sendRpcSync(ByteBuffer.allocate(3), 5_000))
                        .hasMessageContaining("not a Kindling gradient message");
            }
        }
    }

    private static ByteBuffer header(int generation, int rank, int bytes) {
        return new Header(generation, rank, Header.Kind.HELLO, 0, bytes).encode();
    }
}
