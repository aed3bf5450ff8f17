package dev.kindling.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kindling.attention.AttentionBackend;
import dev.kindling.config.ClusterSection.AllReduceChoice;
import dev.kindling.config.ClusterSection.AttentionChoice;
import dev.kindling.config.ClusterSection.DeviceChoice;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TrainConfigTest {
    private static final ConfigSource SOURCE = new ConfigSource(new Configuration(), TrainConfig.defaults());

    @Test
    void anEmptyFileHasTheDefaultsOfTheGpuRun() {
        TrainConfig config = TrainConfig.parse("", "empty.yaml", ConfigOverrides.NONE);

        assertThat(config).isEqualTo(TrainConfig.defaults());
        assertThat(config.model())
                .isEqualTo(new ModelSection(6, 6, 384, 256, 0.2, false, ModelSection.Activation.GELU));
        assertThat(config.train().globalBatch()).isEqualTo(64);
        assertThat(config.train().beta2()).isEqualTo(0.99);
        assertThat(config.cluster().executors()).isEqualTo(2);
        assertThat(config.checkpoint()).isEqualTo(new CheckpointSection(250, 3, true));
    }

    @Test
    void theBuiltInConfigsAreNanoGpts() {
        TrainConfig gpu = SOURCE.builtIn("shakespeare-char", ConfigOverrides.NONE);
        TrainConfig cpu = SOURCE.builtIn("shakespeare-char-cpu", ConfigOverrides.NONE);

        assertThat(gpu).isEqualTo(TrainConfig.defaults());
        assertThat(cpu.model()).isEqualTo(new ModelSection(4, 4, 128, 64, 0.0, false, ModelSection.Activation.GELU));
        assertThat(cpu.train().globalBatch()).isEqualTo(12);
        assertThat(cpu.train().microBatches()).isEqualTo(2);
        assertThat(cpu.train().maxSteps()).isEqualTo(2000);
        assertThat(cpu.train().lrDecaySteps()).isEqualTo(2000);
        assertThat(cpu.train().evalBatches()).isEqualTo(40);
        assertThat(cpu.train().minLr()).isEqualTo(1e-4);
    }

    @Test
    void writtenAndReadBackItIsTheSame() {
        TrainConfig config = TrainConfig.parse(
                "train: {lr: 3e-4, seed: 9007199254740993, compile: false}\ndata: {corpus: \"hdfs://n:1/a: b\"}\n",
                "run.yaml",
                Overrides.set("model.activation=gelu_tanh", "cluster.device=cuda", "data.tokenizer = gpt2"));

        assertThat(config.train().lr()).isEqualTo(3e-4);
        assertThat(config.train().seed()).isEqualTo(9007199254740993L);
        assertThat(config.data().corpus()).isEqualTo("hdfs://n:1/a: b");
        assertThat(config.data().tokenizer()).isEqualTo(DataSection.TokenizerKind.GPT2);
        assertThat(TrainConfig.parse(config.toYaml(), "config.yaml", ConfigOverrides.NONE))
                .isEqualTo(config);
        assertThat(TrainConfig.fromTree(config.toTree(), "state.json")).isEqualTo(config);
        assertThat(config.toYaml()).startsWith("model:\n  n_layer: 6\n").contains("activation: gelu_tanh\n");
    }

    @Test
    void laterOverridesWinAndAreCheckedTogether() {
        TrainConfig config = TrainConfig.defaults()
                .with(Overrides.set(
                        "train.micro_batch=5", "train.global_batch=10", "train.micro_batch=2", "data.corpus=a=b"));

        assertThat(config.train().microBatches()).isEqualTo(5);
        assertThat(config.data().corpus()).isEqualTo("a=b");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            train.learning_rat=1 | --set train.learning_rat=1: unknown key 'train.learning_rat'; did you mean 'train.
            train.warmup_step=1  | did you mean 'train.warmup_steps'?
            model.lr=1           | did you mean 'train.lr'?
            n_head=3             | did you mean 'model.n_head'?
            train.lr             | --set train.lr is not of the form section.key=value
            model.n_head=5       | model.n_embd 384 is not divisible by model.n_head 5
            model.n_layer=0      | model.n_layer is 0
            model.n_layer=2.5    | model.n_layer is '2.5', but it must be a whole number
            model.block_size=99999999999 | it must be a whole number below 2^31
            model.n_embd=61440   | weights even without a vocabulary, and a model has fewer than 2^31
            model.n_layer=2147483647 | and a model has fewer than 2^31 (2,147,483,648); lower model.n_embd
            model.block_size=2147483647 | and a model has fewer than 2^31
            model.dropout=1      | model.dropout is 1.0, but it is a probability
            model.dropout=NaN    | model.dropout is NaN
            model.bias=yes       | model.bias is 'yes'; set it to true or false
            model.activation=relu | must be one of gelu, gelu_tanh
            data.corpus=         | data.corpus is empty
            data.table=db.texts  | data.table is db.texts, but nothing says which column holds the text; set data.column
            data.val_fraction=1  | data.val_fraction is 1.0
            data.tokenizer=gtp2  | did you mean 'gpt2'?
            train.micro_batch=7  | set train.micro_batch to 4
            train.micro_batch=100 | set train.micro_batch to 64
            train.max_steps=0    | train.max_steps is 0; set it to 1 or more
            train.lr=fast        | train.lr is 'fast', but it must be a number
            train.lr=Infinity    | train.lr is Infinity
            train.min_lr=1       | train.min_lr is 1.0
            train.warmup_steps=6000 | lower train.warmup_steps
            train.beta1=1        | train.beta1 is 1.0
            train.beta2=-0.1     | train.beta2 is -0.1
            train.weight_decay=-1 | train.weight_decay is -1.0
            train.grad_clip=-1   | train.grad_clip is -1.0
            train.zero=2         | train.zero is 2
            train.recompute=layers | did you mean 'layer'?
            train.gradients=fp16 | must be one of fp32, bf16
            train.head_chunk=0   | train.head_chunk is '0'; set it to a number of positions, to all, or to auto
            train.eval_interval=0 | train.eval_interval is 0
            cluster.executors=0  | cluster.executors is 0
            cluster.executors=2147483647 | at most 10000 train together; lower it
            cluster.min_executors=3 | set it between 1 and cluster.executors 2
            cluster.attention=flesh | did you mean 'flash'?
            cluster.compression=fp8 | must be one of none, bf16
            cluster.silence_seconds=0 | set it between 1 and 3600
            cluster.redundancy=2 | cluster.redundancy is 2; set it to 1
            cluster.redundancy=1 | but train.zero is 0, with which every rank has the whole optimizer already
            cluster.silence_second=9 | did you mean 'cluster.silence_seconds'?
            checkpoint.keep=0    | checkpoint.keep is 0
            checkpoint.interval=0 | checkpoint.interval is 0
            """)
    void aBadOverrideIsRefusedInOneLine(String override, String message) {
        assertThatThrownBy(() -> TrainConfig.defaults().with(Overrides.set(override)))
                .isInstanceOf(ConfigException.class)
                .message()
                .contains(message)
                .doesNotContain("\n");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            modle: {n_layer: 2}          | bad.yaml: unknown section 'modle'; did you mean 'model'?
            model: {nlayer: 2}           | bad.yaml: unknown key 'model.nlayer'; did you mean 'model.n_layer'?
            model: 3                     | section 'model' must hold keys
            [1, 2]                       | holds no sections
            model: {n_layer: [1, 2]}     | model.n_layer holds no single value
            model: {n_layer: }           | model.n_layer holds no single value
            model: {n_layer: 1           | bad.yaml is not valid YAML at line
            {train: {precision: fp8}, cluster: {device: cpu}} | train.precision is fp8, which needs a Hopper GPU
            train: {fp8_head: true}      | train.fp8_head is true, which needs train.precision fp8, and that is auto
            {train: {precision: fp8}, model: {n_embd: 72}} | multiples of 16, and model.n_embd is 72
            {train: {precision: fp8, micro_batch: 1, global_batch: 1}, model: {block_size: 40}} | train.micro_batch 1 x model.block_size 40 is none
            cluster: {device: cpu, allreduce: nccl} | nccl, which sums between GPUs, but cluster.device is cpu
            {train: {reduction: tree}, cluster: {compression: bf16}} | train.reduction is tree, which gives the same bits
            train: {gradients: bf16, reduction: tree} | but train.gradients is bf16, whose sums are rounded on each
            {train: {gradients: bf16}, cluster: {compression: bf16}} | train.gradients is bf16, which is rounded already
            train: {lr: 1, lr: 2}        | bad.yaml is not valid YAML at line 1: Duplicate field 'lr'
            {train: {lr: 1}, train: {seed: 2}} | bad.yaml is not valid YAML at line 1: Duplicate field 'train'
            """)
    void aBadFileIsRefusedInOneLine(String yaml, String message) {
        assertThatThrownBy(() -> TrainConfig.parse(yaml, "bad.yaml", ConfigOverrides.NONE))
                .isInstanceOf(ConfigException.class)
                .message()
                .contains(message)
                .doesNotContain("\n");
    }

    /** YAML's own numbers would make eight of 010, and another path of a folder's name. */
    @Test
    void aValueIsItsTextInAFileAsOnTheCommandLine() {
        String yaml = "data: {corpus: 1.10, column: 2024_01}\ntrain: {max_steps: 010, warmup_steps: 1_0, lr: 1e-2}";
        List<String> set = List.of(
                "data.corpus=1.10",
                "data.column=2024_01",
                "train.max_steps=010",
                "train.warmup_steps=1_0",
                "train.lr=1e-2");
        TrainConfig config = TrainConfig.parse(yaml, "c.yaml", ConfigOverrides.NONE);
        assertThat(config.data().corpus()).isEqualTo("1.10");
        assertThat(config.data().column()).isEqualTo("2024_01");
        assertThat(config.train().maxSteps()).isEqualTo(10);
        assertThat(config)
                .isEqualTo(TrainConfig.parse("", "c.yaml", new ConfigOverrides(set, ConfigOverrides.ShortForms.NONE)));
    }

    @Test
    void theLineOfABadFileIsWhereTheProblemIs() {
        assertThatThrownBy(() -> TrainConfig.parse("train:\n  seed: 1\n\tlr: 1\n", "bad.yaml", ConfigOverrides.NONE))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll("bad.yaml is not valid YAML at line 3: found character", "TAB");
    }

    @Test
    void aSecondDocumentIsRefused() {
        for (String second : List.of("train: {seed: 2}\n", "", "just text\n", "[1\n")) {
            assertThatThrownBy(() ->
                            TrainConfig.parse("train: {seed: 1}\n---\n" + second, "bad.yaml", ConfigOverrides.NONE))
                    .as(second)
                    .isInstanceOf(ConfigException.class)
                    .message()
                    .contains("bad.yaml")
                    .doesNotContain("\n");
        }
        assertThat(TrainConfig.parse("---\ntrain: {seed: 1}\n...\n", "good.yaml", ConfigOverrides.NONE)
                        .train()
                        .seed())
                .isEqualTo(1);
        assertThat(TrainConfig.parse("# nothing\n", "good.yaml", ConfigOverrides.NONE))
                .isEqualTo(TrainConfig.defaults());
    }

    @Test
    void defaultsStandBelowTheFileAndOverridesAboveIt() {
        TrainConfig defaults =
                TrainConfig.defaults().withCluster(c -> c.withExecutors(7)).withTrain(t -> t.withMicroBatch(32));

        TrainConfig config =
                TrainConfig.parse("train: {micro_batch: 16}", "test", defaults, Overrides.set("train.max_steps=9"));

        assertThat(config.cluster().executors()).isEqualTo(7);
        assertThat(config.train().microBatch()).isEqualTo(16);
        assertThat(config.train().maxSteps()).isEqualTo(9);
    }

    @Test
    void shortFormsWinOverSetAndAreCheckedTogetherWithIt() {
        ConfigOverrides overrides = new ConfigOverrides(
                List.of("cluster.min_executors=3", "cluster.attention=math", "cluster.allreduce=driver"),
                new ConfigOverrides.ShortForms(
                        Optional.of(4), Optional.empty(), Optional.of(AttentionChoice.FLASH), Optional.empty()));

        ClusterSection cluster = TrainConfig.defaults().with(overrides).cluster();

        assertThat(cluster.executors()).isEqualTo(4);
        assertThat(cluster.minExecutors()).isEqualTo(3);
        assertThat(cluster.attention()).isEqualTo(AttentionChoice.FLASH);
        assertThat(cluster.allreduce()).isEqualTo(AllReduceChoice.DRIVER);
        assertThat(cluster.device()).isEqualTo(DeviceChoice.AUTO);
    }

    @Test
    void changedSectionsAreCheckedWithTheOthers() {
        TrainConfig config = TrainConfig.defaults();
        assertThatThrownBy(() -> config.withCluster(c -> c.withMinExecutors(3)))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("cluster.min_executors is 3; set it between 1 and cluster.executors 2");
        assertThat(config.withCluster(c -> c.withMinExecutors(3).withExecutors(3))
                        .cluster()
                        .minExecutors())
                .isEqualTo(3);
    }

    @Test
    void anAttentionChoiceIsOneBackendOrAll() {
        assertThat(AttentionChoice.AUTO.kinds()).containsExactlyInAnyOrder(AttentionBackend.Kind.values());
        for (AttentionBackend.Kind kind : AttentionBackend.Kind.values()) {
            assertThat(AttentionChoice.of(kind).kinds()).containsExactly(kind);
            assertThat(AttentionChoice.of(kind)).hasToString(kind.name());
        }
    }

    @Test
    void aFileOfAnotherEncodingIsRefusedByNameAndLine(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("latin1.yaml");
        Files.write(file, "data:\n  corpus: größe\n".getBytes(StandardCharsets.ISO_8859_1));
        assertThatThrownBy(() -> SOURCE.load(file.toString(), ConfigOverrides.NONE))
                .isInstanceOf(ConfigException.class)
                .hasMessage(
                        "%s is not UTF-8 text: line 2 has bytes of another encoding, perhaps Latin-1; save the file as UTF-8",
                        file);
    }

    @Test
    void patienceCountsEvaluationsSinceTheBest() {
        TrainSection train = TrainConfig.defaults()
                .with(Overrides.set("train.patience=2", "train.eval_interval=250"))
                .train();
        assertThat(train.isExhausted(999, 500)).isFalse();
        assertThat(train.isExhausted(1000, 500)).isTrue();
        assertThat(train.isExhausted(5000, 0)).isFalse();
        assertThat(TrainConfig.defaults().train().isExhausted(5000, 500)).isFalse();
    }
}
