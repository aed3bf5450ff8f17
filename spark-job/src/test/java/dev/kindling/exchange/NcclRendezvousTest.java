package dev.kindling.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.allreduce.link.Encryption;
import java.util.List;
import org.apache.spark.SparkConf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NcclRendezvousTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "spark.network.crypto.enabled",
                "spark.ssl.rpc.enabled",
                "spark.authenticate.enableSaslEncryption"
            })
    void ncclSendsNothingInTheClearBetweenHostsWhereSparkEncrypts(String way) {
        SparkConf conf = new SparkConf(false).set(way, "true");
        assertThat(NcclRendezvous.refusal(Encryption.setting(conf), List.of("a", "b")))
                .hasValueSatisfying(refusal -> assertThat(refusal).contains(way + " is set", "does not encrypt"));
        assertThat(NcclRendezvous.refusal(Encryption.setting(conf), List.of("a", "a")))
                .isEmpty();
        assertThat(NcclRendezvous.refusal(Encryption.setting(new SparkConf(false)), List.of("a", "b")))
                .isEmpty();
    }
}
