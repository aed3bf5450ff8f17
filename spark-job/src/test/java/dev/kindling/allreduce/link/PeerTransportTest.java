package dev.kindling.allreduce.link;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.coordinate.EmbeddedCluster;
import java.net.Socket;
import java.util.Map;
import org.apache.spark.network.server.NoOpRpcHandler;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class PeerTransportTest {
    /** As behind a gateway: executors reach the driver by an address that is not the one it listens on. */
    @Test
    void theDriverListensOnItsBindAddress() throws Exception {
        Map<String, String> settings = Map.of("spark.driver.host", "127.0.0.1", "spark.driver.bindAddress", "0.0.0.0");
        try (EmbeddedCluster cluster = new EmbeddedCluster(1, settings);
                PeerTransport transport = PeerTransport.serve(new NoOpRpcHandler())) {
            assertThat(cluster.sc().getConf().get("spark.driver.host")).isEqualTo(transport.host());
            try (Socket elsewhere = new Socket("127.0.0.2", transport.port())) {
                assertThat(elsewhere.isConnected()).isTrue();
            }
        }
    }
}
