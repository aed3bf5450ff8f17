package dev.kindling.ml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.config.ConfigException;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;

class GptModelTest {
    private static final StructType SCHEMA = new StructType().add("text", DataTypes.StringType);

    private static GptModel model() {
        return new GptModel("gpt", "weights");
    }

    private static GptModel model(String param, String value) {
        GptModel model = model();
        model.set(param, value);
        return model;
    }

    private static void assertRefused(GptModel model, String message) {
        assertThatThrownBy(() -> model.transformSchema(SCHEMA))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining(message);
    }

    @Test
    void valuesOutOfRangeAreRefusedBeforeAnyRowIsRead() {
        assertThat(model("device", "cpu").transformSchema(SCHEMA).fieldNames())
                .containsExactly("text", "loss", "perplexity", "bits_per_byte");
        assertRefused(model("device", "gpu"), "device is 'gpu', but it must be one of auto, cpu, cuda");
        assertRefused(model("attention", "flesh"), "attention is 'flesh'");
        assertRefused(model("precision", "fp8"), "precision is fp8, which is for training alone");
        assertRefused(model().setBatchSize(-1), "batchSize is -1; set it to 1 or more, or to 0");
        assertRefused(model().setMaxTokens(0), "maxTokens is 0; set it to 1 or more");
        assertRefused(model().setTemperature(Double.NaN), "temperature NaN");
        assertRefused(model().setTopK(-1), "top-k -1 is negative");
        assertRefused(model().setTopP(0), "top-p 0.0 is not in (0, 1]");
    }

    @Test
    void aTrainerPassesOnWhatIsSetButForPrecision() {
        GptTrainer trainer = new GptTrainer().setTextCol("body").setSeed(7).setParam("precision", "fp8");
        GptModel model = trainer.model("weights");
        assertThat(model.getTextCol()).isEqualTo("body");
        assertThat(model.getOrDefault(model.getParam("seed"))).isEqualTo(7L);
        assertThat(model.getOrDefault(model.getParam("precision"))).isEqualTo("auto");
    }
}
