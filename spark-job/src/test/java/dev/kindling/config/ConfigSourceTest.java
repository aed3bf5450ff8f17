package dev.kindling.config;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kindling.config.DataSection.TokenizerKind;
import dev.kindling.config.ModelSection.Activation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConfigSourceTest {
    private static final Path CONF = Path.of("../conf");

    private final ConfigSource source = new ConfigSource(new Configuration(), TrainConfig.defaults());

    private static List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(CONF)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(file -> file.endsWith(".yaml"))
                    .map(file -> file.replace(".yaml", ""))
                    .toList();
        }
    }

    @Test
    void everyConfigurationIsBuiltInAndLoads() throws IOException {
        assertThat(ConfigSource.BUILT_IN).containsExactlyInAnyOrderElementsOf(names());
        for (String name : ConfigSource.BUILT_IN) {
            TrainConfig file = source.load(CONF.resolve(name + ".yaml").toString(), ConfigOverrides.NONE);
            assertThat(source.load(name, ConfigOverrides.NONE)).as(name).isEqualTo(file);
            assertThat(source.load("conf/" + name + ".yaml", ConfigOverrides.NONE))
                    .as(name)
                    .isEqualTo(file);
        }
    }

    /** The weights of a GPT-2: (V + T) C of embeddings, 12 C^2 + 13 C a layer, 2 C of the last norm. */
    @ParameterizedTest
    @CsvSource({
        "gpt2-124m, 124439808",
        "gpt2-350m, 354823168",
        "gpt2-774m, 774030080",
        "gpt2-1558m, 1557611200",
        "finetune-shakespeare, 1557611200"
    })
    void aGpt2IsOpenAisAndFits80Gigabytes(String name, long parameters) throws IOException {
        TrainConfig config = source.load(name, ConfigOverrides.NONE);
        ModelSection model = config.model();
        long c = model.nEmbd();
        long own = (50_257L + model.blockSize()) * c + model.nLayer() * (12 * c * c + 13 * c) + 2 * c;
        assertThat(own).isEqualTo(parameters);
        assertThat(model.bias()).isTrue();
        assertThat(model.activation()).isEqualTo(Activation.GELU_TANH);
        assertThat(config.data().tokenizer()).isEqualTo(TokenizerKind.GPT2);
        assertThat(config.train().microBatches() % 8 == 0 || name.startsWith("finetune"))
                .as("a step is shared evenly by 8 GPUs")
                .isTrue();

        // bf16: 18 bytes a weight for weights, gradients and moments; a token keeps 16 C activations in each layer, its
        // logits, and while backward runs, their gradients and 14 C of a layer.
        long tokens = (long) config.train().microBatch() * model.blockSize();
        long bytes = 18 * own + 2 * tokens * (16L * model.nLayer() * c + 2 * 50_304 + 14 * c);
        assertThat(bytes).isLessThan(70_000_000_000L);
        assertThat(tokens * 50_304).as("logits are indexed by 31 bits").isLessThan(1L << 31);
    }
}
