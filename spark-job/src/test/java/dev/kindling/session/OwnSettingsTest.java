package dev.kindling.session;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.config.ConfigException;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;

class OwnSettingsTest {
    @Test
    void aSettingThatNothingReadsIsRefused() {
        SparkConf conf = new SparkConf(false)
                .set("spark.kindling.slots.timeout", "5min")
                .set("spark.kindling.io.mode", "nio")
                .set("spark.speculation", "true");
        assertThatCode(() -> OwnSettings.requireKnown(conf)).doesNotThrowAnyException();
        conf.set("spark.kindling.slot.timeout", "1s");
        assertThatThrownBy(() -> OwnSettings.requireKnown(conf))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("'spark.kindling.slot.timeout'; did you mean 'spark.kindling.slots.timeout'?");
    }
}
