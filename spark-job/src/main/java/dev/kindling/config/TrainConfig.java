package dev.kindling.config;

import static dev.kindling.config.ConfigException.check;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.kindling.config.ClusterSection.Compression;
import dev.kindling.config.TrainSection.Reduction;
import java.io.Serializable;
import java.util.List;

/**
 * A run's configuration, validated on construction. Keys and defaults are the components of the section records in
 * snake case. Immutable and serializable.
 */
public record TrainConfig(
        ModelSection model, DataSection data, TrainSection train, ClusterSection cluster, CheckpointSection checkpoint)
        implements Serializable {

    private static final TrainConfig DEFAULT = new TrainConfig(
            ModelSection.DEFAULT,
            DataSection.DEFAULT,
            TrainSection.DEFAULT,
            ClusterSection.DEFAULT,
            CheckpointSection.DEFAULT);

    public TrainConfig {
        check(
                cluster.compression() == Compression.NONE || train.reduction() == Reduction.RANK,
                "train.reduction is tree, which gives the same bits on any number of executors, but cluster.compression"
                        + " is bf16, which rounds on each of them; set one of them to rank or none");
    }

    /** The configuration of an empty file. */
    public static TrainConfig defaults() {
        return DEFAULT;
    }

    /**
     * Parses YAML, then applies overrides of the form {@code section.key=value} in order.
     *
     * @param origin where the YAML came from, for error messages
     * @throws ConfigException for YAML that does not parse, an unknown key (naming the nearest), a value of the wrong
     *     kind or out of range
     */
    public static TrainConfig parse(String yaml, String origin, List<String> overrides) {
        return parse(yaml, origin, List.of(), overrides);
    }

    /** Like {@link #parse(String, String, List)}, with {@code defaults} for keys that the YAML leaves out. */
    static TrainConfig parse(String yaml, String origin, List<String> defaults, List<String> overrides) {
        return ConfigTree.parse(yaml, origin)
                .underlay(defaults)
                .override(overrides)
                .bind();
    }

    /** The inverse of {@link #toTree}; {@code origin} is for error messages. */
    public static TrainConfig fromTree(JsonNode tree, String origin) {
        return new ConfigTree(tree, origin).bind();
    }

    /** This configuration with overrides of the form {@code section.key=value}. */
    public TrainConfig with(List<String> overrides) {
        return new ConfigTree(toTree(), "the configuration").override(overrides).bind();
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
