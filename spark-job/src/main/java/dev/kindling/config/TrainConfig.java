package dev.kindling.config;

import static dev.kindling.config.ConfigException.check;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.config.ClusterSection.Compression;
import dev.kindling.config.ClusterSection.DeviceChoice;
import dev.kindling.config.TrainSection.PrecisionChoice;
import dev.kindling.config.TrainSection.Reduction;
import dev.kindling.device.Fp8Ops;
import java.io.Serializable;
import java.util.Locale;
import java.util.function.UnaryOperator;

/**
 * A run's configuration, validated on construction. Keys are the components of the section records in snake case, each
 * declared with its default and doc by {@link KeyDoc}. Immutable and serializable.
 */
public record TrainConfig(
        ModelSection model, DataSection data, TrainSection train, ClusterSection cluster, CheckpointSection checkpoint)
        implements Serializable {

    private static final TrainConfig DEFAULT =
            new ConfigTree(MissingNode.getInstance(), "the defaults").bind(ConfigOverrides.ShortForms.NONE);

    public TrainConfig {
        cluster.requireConsistent();
        check(
                (long) train.microBatch() * model.blockSize() <= Integer.MAX_VALUE,
                "train.micro_batch %d x model.block_size %d is more than 2^31 tokens of a forward pass; lower train.micro_batch",
                train.microBatch(),
                model.blockSize());
        check(
                cluster.redundancy() == 0 || train.zero() == 1,
                "cluster.redundancy is %d, but train.zero is 0, with which every rank has the whole optimizer already; set"
                        + " cluster.redundancy to 0, or train.zero to 1",
                cluster.redundancy());
        if (train.precision() == PrecisionChoice.FP8) {
            requireFp8(model, train, cluster);
        }
        check(
                !train.fp8Head() || train.precision() == PrecisionChoice.FP8,
                "train.fp8_head is true, which needs train.precision fp8, and that is %s; change one of them",
                train.precision().name().toLowerCase(Locale.ROOT));
        check(
                cluster.compression() == Compression.NONE || train.reduction() == Reduction.RANK,
                "train.reduction is tree, which gives the same bits on any number of executors, but cluster.compression"
                        + " is bf16, which rounds on each of them; set one of them to rank or none");
        if (train.gradients() == StoredType.BF16) {
            check(
                    train.reduction() == Reduction.RANK,
                    "train.reduction is tree, which gives the same bits on any number of executors, but train.gradients"
                            + " is bf16, whose sums are rounded on each of them; set one of them to rank or fp32");
            check(
                    cluster.compression() == Compression.NONE,
                    "cluster.compression is bf16, which keeps in fp32 what rounding takes from gradients, but"
                            + " train.gradients is bf16, which is rounded already; set one of them to none or fp32");
        }
    }

    private static void requireFp8(ModelSection model, TrainSection train, ClusterSection cluster) {
        check(
                cluster.device() != DeviceChoice.CPU,
                "train.precision is fp8, which needs a Hopper GPU, and cluster.device is cpu; set train.precision to"
                        + " bf16 or fp32");
        check(
                model.nEmbd() % Fp8Ops.MULTIPLE == 0,
                "train.precision is fp8, whose products take multiples of %d, and model.n_embd is %d; change one of"
                        + " them",
                Fp8Ops.MULTIPLE,
                model.nEmbd());
        check(
                train.microBatch() * model.blockSize() % Fp8Ops.MULTIPLE == 0,
                "train.precision is fp8, whose products take multiples of %d tokens, and train.micro_batch %d x"
                        + " model.block_size %d is none; change one of them",
                Fp8Ops.MULTIPLE,
                train.microBatch(),
                model.blockSize());
    }

    /** The configuration of an empty file. */
    public static TrainConfig defaults() {
        return DEFAULT;
    }

    /**
     * Parses YAML, then applies overrides; they are checked together.
     *
     * @param origin where the YAML came from, for error messages
     * @throws ConfigException for YAML that does not parse, an unknown key (naming the nearest), a value of the wrong
     *     kind or out of range
     */
    public static TrainConfig parse(String yaml, String origin, ConfigOverrides overrides) {
        return parse(yaml, origin, DEFAULT, overrides);
    }

    /** As the other, with the values of {@code defaults} for keys that the YAML leaves out. */
    static TrainConfig parse(String yaml, String origin, TrainConfig defaults, ConfigOverrides overrides) {
        return new ConfigTree(defaults.toTree(), "the defaults")
                .overlay(ConfigTree.parse(yaml, origin))
                .set(overrides.set())
                .bind(overrides.shortForms());
    }

    /** The inverse of {@link #toTree}; {@code origin} is for error messages. */
    public static TrainConfig fromTree(JsonNode tree, String origin) {
        return new ConfigTree(tree, origin).bind(ConfigOverrides.ShortForms.NONE);
    }

    /** This configuration with overrides, checked together. */
    public TrainConfig with(ConfigOverrides overrides) {
        return new ConfigTree(toTree(), "the configuration")
                .set(overrides.set())
                .bind(overrides.shortForms());
    }

    /** This configuration with another model section: {@code config.withModel(m -> m.withBlockSize(64))}. */
    public TrainConfig withModel(UnaryOperator<ModelSection> change) {
        return new TrainConfig(change.apply(model), data, train, cluster, checkpoint);
    }

    /** This configuration with another data section. */
    public TrainConfig withData(UnaryOperator<DataSection> change) {
        return new TrainConfig(model, change.apply(data), train, cluster, checkpoint);
    }

    /** This configuration with another train section. */
    public TrainConfig withTrain(UnaryOperator<TrainSection> change) {
        return new TrainConfig(model, data, change.apply(train), cluster, checkpoint);
    }

    /** This configuration with another cluster section. */
    public TrainConfig withCluster(UnaryOperator<ClusterSection> change) {
        return new TrainConfig(model, data, train, change.apply(cluster), checkpoint);
    }

    /** All sections and keys, as resolved. */
    public ObjectNode toTree() {
        return ConfigTree.of(this);
    }

    /** The text of {@code config.yaml}: all keys, as resolved; {@link #parse} gives this configuration back. */
    public String toYaml() {
        return ConfigTree.toYaml(toTree());
    }
}
