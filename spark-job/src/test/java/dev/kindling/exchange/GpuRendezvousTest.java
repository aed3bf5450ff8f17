package dev.kindling.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.allreduce.link.Encryption;
import dev.kindling.config.ClusterSection.Compression;
import dev.kindling.exchange.GpuRendezvous.Place;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GpuRendezvousTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "spark.network.crypto.enabled",
                "spark.ssl.rpc.enabled",
                "spark.authenticate.enableSaslEncryption"
            })
    void ncclSendsNothingInTheClearBetweenHostsWhereSparkEncrypts(String way) {
        SparkConf conf = new SparkConf(false).set(way, "true");
        assertThat(GpuRendezvous.noNccl(places("a", "b"), Encryption.setting(conf)))
                .hasValueSatisfying(refusal -> assertThat(refusal).contains(way + " is set", "does not encrypt"));
        assertThat(GpuRendezvous.noNccl(places("a", "a"), Encryption.setting(conf)))
                .isEmpty();
        assertThat(GpuRendezvous.noNccl(places("a", "b"), Encryption.setting(new SparkConf(false))))
                .isEmpty();
    }

    @Test
    void gpusReadEachOthersMemoryOnOneHostOnly() {
        assertThat(GpuRendezvous.noPeers(places("a", "a"), Compression.NONE)).isEmpty();
        assertThat(GpuRendezvous.noPeers(places("a", "b"), Compression.NONE)).contains("the GPUs are on several hosts");
        assertThat(GpuRendezvous.noPeers(places("a", "a"), Compression.BF16))
                .hasValueSatisfying(refusal -> assertThat(refusal).contains("cluster.compression is bf16"));
        assertThat(GpuRendezvous.noPeers(Collections.nCopies(33, places("a").get(0)), Compression.NONE))
                .contains("more than 32 GPUs are on one host");
    }

    @Test
    void whatARankTellsIsHeard() {
        Place place = new Place("a", "", "libnccl.so.2 was found nowhere");
        assertThat(Place.heard(place.told())).isEqualTo(place);
        assertThat(GpuRendezvous.noNccl(List.of(place), Optional.empty()))
                .contains("rank 0 on a cannot use NCCL: libnccl.so.2 was found nowhere");
    }

    private static List<Place> places(String... hosts) {
        return Stream.of(hosts).map(host -> new Place(host, "", "")).toList();
    }
}
