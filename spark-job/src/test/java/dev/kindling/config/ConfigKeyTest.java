package dev.kindling.config;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.RecordComponent;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ConfigKeyTest {
    @Test
    void theSectionsAreThoseOfTheConfiguration() {
        assertThat(List.copyOf(ConfigKey.SECTIONS.entrySet()))
                .isEqualTo(Arrays.stream(TrainConfig.class.getRecordComponents())
                        .map(section -> Map.entry(section.getName(), section.getType()))
                        .toList());
    }

    @Test
    void everyComponentIsAKeyWithDefaultDocAndAllowedValues() {
        int components = ConfigKey.SECTIONS.values().stream()
                .map(Class::getRecordComponents)
                .mapToInt((RecordComponent[] each) -> each.length)
                .sum();
        assertThat(ConfigKey.all()).hasSize(components).allSatisfy(key -> {
            assertThat(key.defaultValue().isBlank())
                    .isEqualTo(Set.of("data.column", "data.table").contains(key.path()));
            assertThat(key.doc()).isNotBlank().doesNotContain("\n");
            assertThat(key.allowed()).isNotBlank();
        });
    }

    @Test
    void theDefaultsAreWhatAnEmptyFileResolvesTo() {
        JsonNode resolved =
                TrainConfig.parse("", "empty.yaml", ConfigOverrides.NONE).toTree();
        for (ConfigKey key : ConfigKey.all()) {
            JsonNode value = resolved.path(key.section()).path(key.name());
            assertThat(ConfigValue.parse(key.path(), value, key.type()))
                    .as(key.path())
                    .isEqualTo(ConfigValue.parse(key.path(), TextNode.valueOf(key.defaultValue()), key.type()));
        }
    }

    @Test
    void theTableHasALineAKeyInAlignedColumns() {
        List<String> lines = ConfigKey.table().lines().toList();
        int doc = lines.get(0).indexOf("MEANING");
        assertThat(lines).hasSize(1 + ConfigKey.all().size());
        for (ConfigKey key : ConfigKey.all()) {
            assertThat(lines).anySatisfy(line -> {
                assertThat(line).startsWith(key.path() + " ");
                assertThat(line.substring(0, doc))
                        .contains(
                                " " + (key.defaultValue().isEmpty() ? "\"\"" : key.defaultValue()) + " ",
                                key.allowed());
                assertThat(line.substring(doc)).isEqualTo(key.doc());
            });
        }
    }

    /** So that who copies the file has everything before him. */
    @Test
    void theBuiltInConfigurationNamesEveryKey() throws IOException {
        String yaml;
        try (InputStream in = ConfigKeyTest.class.getResourceAsStream("/dev/kindling/conf/shakespeare-char.yaml")) {
            yaml = new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
        for (ConfigKey key : ConfigKey.all()) {
            assertThat(yaml).containsPattern("(?m)^  (# )?" + key.name() + ": ");
        }
    }
}
