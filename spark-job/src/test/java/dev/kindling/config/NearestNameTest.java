package dev.kindling.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class NearestNameTest {
    @Test
    void distanceCountsEdits() {
        assertThat(NearestName.distance("", "lr")).isEqualTo(2);
        assertThat(NearestName.distance("kitten", "sitting")).isEqualTo(3);
        assertThat(NearestName.distance("beta1", "beta1")).isZero();
    }

    @Test
    void theNearestIsNamedAndTiesAreAlphabetical() {
        assertThat(NearestName.of("trian", List.of("generate", "train", "prepare")))
                .contains("train");
        assertThat(NearestName.of("beta3", List.of("beta2", "beta1"))).contains("beta1");
        assertThat(NearestName.of("CHAR", List.of("bpe", "char"))).contains("char");
        assertThat(NearestName.of("Text", List.of("TEXT", "text"))).contains("text");
        assertThat(NearestName.of("x", List.of())).isEmpty();
    }
}
