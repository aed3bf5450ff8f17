package dev.kindling.coordinate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.allreduce.AllReduce;
import dev.kindling.allreduce.RankSum;
import dev.kindling.allreduce.link.MeshEndpoint;
import dev.kindling.coordinate.message.GenerationsResult;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.apache.spark.network.TransportContext;
import org.apache.spark.network.client.TransportClient;
import org.apache.spark.network.client.TransportClientBootstrap;
import org.apache.spark.network.crypto.AuthClientBootstrap;
import org.apache.spark.network.netty.SparkTransportConf;
import org.apache.spark.network.sasl.SecretKeyHolder;
import org.apache.spark.network.server.NoOpRpcHandler;
import org.apache.spark.network.util.TransportConf;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import scala.Option;

/** spark.authenticate and encryption on: ranks still agree, and a stranger gets nothing. */
@Timeout(90)
class SecurityTest {
    private static final Map<String, String> SECURE = Map.of(
            "spark.authenticate", "true",
            "spark.authenticate.secret", "correct horse battery staple",
            "spark.network.crypto.enabled", "true");

    private static byte[] sum(RankSession member, AllReduce allReduce) {
        float[] data = Collectives.values(member.rank(), 150_001);
        RankSum.of(allReduce, data, 0, data.length);
        if (!java.util.Arrays.equals(
                data, Collectives.expected(member.generation().worldSize(), data.length))) {
            throw new AssertionError("the sum is wrong under encryption");
        }
        return new byte[] {1};
    }

    @ParameterizedTest
    @EnumSource(Transport.class)
    void ranksAgreeAndAStrangerIsRefused(Transport transport) throws Exception {
        try (EmbeddedCluster cluster = new EmbeddedCluster(2, SECURE);
                Coordinator coordinator = new Coordinator(cluster.sc(), new TopicHandlers())) {
            GenerationsResult outcome = new Generations(
                            cluster.sc(), coordinator, FixedRanks.plan(2, transport, 200_000))
                    .run(SecurityTest::sum, () -> 0);
            assertThat(outcome.result()).containsExactly(1);
            assertThat(outcome.failures()).isEmpty();
            if (transport == Transport.RING) {
                strangersAreRefused(cluster.sc().getConf());
            }
        }
    }

    private static void strangersAreRefused(SparkConf conf) throws Exception {
        try (MeshEndpoint endpoint = MeshEndpoint.open(1, 2, 1000)) {
            TransportConf client =
                    SparkTransportConf.fromSparkConf(conf, "kindling", 1, Option.empty(), Option.empty());
            ByteBuffer hello = header(1, 1, 0);
            try (TransportContext context = new TransportContext(client, new NoOpRpcHandler());
                    TransportClient noSecret = context.createClientFactory()
                            .createClient(
                                    SparkEnv.get()
                                            .blockManager()
                                            .blockManagerId()
                                            .host(),
                                    endpoint.port())) {
                assertThatThrownBy(() -> noSecret.sendRpcSync(hello, 5_000));
            }
            TransportClientBootstrap wrong = new AuthClientBootstrap(client, conf.getAppId(), new WrongSecret());
            try (TransportContext context = new TransportContext(client, new NoOpRpcHandler())) {
                assertThatThrownBy(() -> context.createClientFactory(List.of(wrong))
                        .createClient(
                                SparkEnv.get().blockManager().blockManagerId().host(), endpoint.port()));
            }
        }
    }

    @Test
    void ranksAgreeWithAuthenticationAlone() {
        Map<String, String> authenticated = new HashMap<>(SECURE);
        authenticated.remove("spark.network.crypto.enabled");
        try (EmbeddedCluster cluster = new EmbeddedCluster(2, authenticated);
                Coordinator coordinator = new Coordinator(cluster.sc(), new TopicHandlers())) {
            GenerationsResult outcome = new Generations(
                            cluster.sc(), coordinator, FixedRanks.plan(2, Transport.RING, 200_000))
                    .run(SecurityTest::sum, () -> 0);
            assertThat(outcome.result()).containsExactly(1);
        }
    }

    /** TLS: the certificate is made here; a plain client gets no answer. */
    @ParameterizedTest
    @EnumSource(Transport.class)
    void ranksAgreeOverTls(Transport transport, @TempDir Path folder) throws Exception {
        Map<String, String> tls = tls(folder.resolve("keys.p12"));
        try (EmbeddedCluster cluster = new EmbeddedCluster(2, tls);
                Coordinator coordinator = new Coordinator(cluster.sc(), new TopicHandlers())) {
            GenerationsResult outcome = new Generations(
                            cluster.sc(), coordinator, FixedRanks.plan(2, transport, 200_000))
                    .run(SecurityTest::sum, () -> 0);
            assertThat(outcome.result()).containsExactly(1);
            assertThat(outcome.failures()).isEmpty();
            aPlainClientGetsNoAnswer(cluster.sc().getConf());
        }
    }

    private static void aPlainClientGetsNoAnswer(SparkConf conf) throws Exception {
        SparkConf plain = conf.clone().set("spark.ssl.rpc.enabled", "false");
        TransportConf client = SparkTransportConf.fromSparkConf(plain, "kindling", 1, Option.empty(), Option.empty());
        try (MeshEndpoint endpoint = MeshEndpoint.open(1, 2, 1000);
                TransportContext context = new TransportContext(client, new NoOpRpcHandler());
                TransportClient stranger = context.createClientFactory()
                        .createClient(
                                SparkEnv.get().blockManager().blockManagerId().host(), endpoint.port())) {
            assertThatThrownBy(() -> stranger.sendRpcSync(header(1, 1, 0), 5_000));
        }
    }

    private static Map<String, String> tls(Path keys) throws Exception {
        Path keytool = Path.of(System.getProperty("java.home"), "bin", "keytool");
        Process process = new ProcessBuilder((keytool
                                + " -genkeypair -alias kindling -keyalg EC -dname CN=kindling -validity 2 -storetype PKCS12"
                                + " -storepass tls-pass-word -keystore " + keys)
                        .split(" "))
                .inheritIO()
                .start();
        assertThat(process.waitFor()).isZero();
        return Map.of(
                "spark.ssl.rpc.enabled", "true",
                "spark.ssl.rpc.keyStore", keys.toString(),
                "spark.ssl.rpc.keyStorePassword", "tls-pass-word",
                "spark.ssl.rpc.keyPassword", "tls-pass-word",
                "spark.ssl.rpc.keyStoreType", "PKCS12",
                "spark.ssl.rpc.trustStore", keys.toString(),
                "spark.ssl.rpc.trustStorePassword", "tls-pass-word",
                "spark.ssl.rpc.trustStoreType", "PKCS12",
                "spark.ssl.rpc.protocol", "TLSv1.3");
    }

    private static ByteBuffer header(int generation, int rank, int bytes) {
        return ByteBuffer.allocate(29)
                .putInt(0x4b4e4c31)
                .putInt(generation)
                .putInt(rank)
                .put((byte) 0)
                .putLong(0)
                .putInt(bytes)
                .flip();
    }

    private static final class WrongSecret implements SecretKeyHolder {
        @Override
        public String getSaslUser(String appId) {
            return "sparkSaslUser";
        }

        @Override
        public String getSecretKey(String appId) {
            return "guess";
        }
    }
}
