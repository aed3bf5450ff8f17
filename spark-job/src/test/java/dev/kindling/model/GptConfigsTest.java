package dev.kindling.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.config.ConfigException;
import dev.kindling.config.ModelSection;
import dev.kindling.config.TrainConfig;
import dev.kindling.nn.parameter.Parameters;
import org.junit.jupiter.api.Test;

class GptConfigsTest {
    private static final ModelSection MODEL = TrainConfig.defaults().model();

    @Test
    void aModelHasFewerThanTwoToThe31Weights() {
        int vocabulary = 5_000_000;
        long weights = Parameters.count(GptConfigs.of(MODEL, vocabulary));
        assertThat(weights).isBetween(384L * vocabulary, (long) Integer.MAX_VALUE);
        assertThatThrownBy(() -> GptConfigs.of(MODEL, 6_000_000))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("with a vocabulary of 6,000,000 make 2,314,")
                .hasMessageContaining("lower model.n_embd or model.n_layer");
    }
}
