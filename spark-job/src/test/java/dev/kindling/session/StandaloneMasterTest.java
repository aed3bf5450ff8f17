package dev.kindling.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.coordinate.message.FatalJobException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class StandaloneMasterTest {
    private static final Duration PATIENCE = Duration.ofSeconds(1);

    private static ServerSocket silent() throws IOException {
        return new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
    }

    private static void assertNobodyAnswers(String master, String... reasons) {
        SparkConf conf = new SparkConf(false).setMaster(master);
        long began = System.nanoTime();
        assertThatThrownBy(() -> StandaloneMaster.requireAnswer(conf, PATIENCE))
                .isInstanceOf(FatalJobException.class)
                .hasMessageContaining("no master answers at " + master)
                .message()
                .contains(reasons)
                .doesNotContain("\n");
        assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(15));
    }

    @Test
    void portsOnWhichNobodyListensAreNamedWithTheReason() throws IOException {
        int free;
        try (ServerSocket socket = silent()) {
            free = socket.getLocalPort();
        }
        assertNobodyAnswers("spark://127.0.0.1:" + free, "127.0.0.1:" + free, "Connection refused");
    }

    @Test
    void whoSaysNothingIsNoMaster() throws IOException {
        try (ServerSocket one = silent();
                ServerSocket two = silent()) {
            String addresses = "127.0.0.1:" + one.getLocalPort() + ",127.0.0.1:" + two.getLocalPort();
            assertNobodyAnswers("spark://" + addresses, addresses.split(","));
        }
    }

    @Test
    void otherClustersAreNotAsked() {
        StandaloneMaster.requireAnswer(new SparkConf(false).setMaster("yarn"), PATIENCE);
        StandaloneMaster.requireAnswer(new SparkConf(false), PATIENCE);
    }
}
