package dev.kindling.job;

import dev.kindling.config.ConfigException;
import dev.kindling.config.ConfigOverrides;
import dev.kindling.config.ConfigSource;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection;
import dev.kindling.session.DriverDevice;
import java.io.IOException;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;

/**
 * Finds the configuration that a command trains with: the one that it names, or the built-in one that fits the device.
 */
public final class TrainingSettings {
    private TrainingSettings() {}

    /**
     * Loads the configuration and applies the overrides.
     *
     * @param location path, URI or built-in name; empty for the built-in one that fits this host
     */
    static TrainConfig resolve(Optional<String> location, ConfigOverrides overrides, Configuration hadoop)
            throws IOException {
        ConfigSource source = new ConfigSource(hadoop, DriverDevice.defaults());
        if (location.isPresent()) {
            return source.load(location.get(), overrides);
        }
        TrainConfig cpu = source.builtIn("shakespeare-char-cpu", overrides);
        return DriverDevice.gpus(cpu.cluster().device()) == 0 ? cpu : forGpus(source, overrides);
    }

    /** The same for GPUs, whether this host has some or not. */
    static TrainConfig resolveForGpus(Optional<String> location, ConfigOverrides overrides, Configuration hadoop)
            throws IOException {
        ConfigSource source = new ConfigSource(hadoop, DriverDevice.defaultsForGpus());
        return location.isPresent() ? source.load(location.get(), overrides) : forGpus(source, overrides);
    }

    /** The GPU configuration, with micro-batches small enough that every executor has one. */
    private static TrainConfig forGpus(ConfigSource source, ConfigOverrides overrides) {
        TrainConfig config = source.builtIn("shakespeare-char", overrides);
        int executors = config.cluster().executors();
        return config.train().microBatches() < executors
                        && executors <= config.train().globalBatch()
                ? config.withTrain(train -> train.withMicroBatch(largestMicroBatch(train, executors)))
                        .with(overrides)
                : config;
    }

    /**
     * Fails if an executor would have nothing to do.
     *
     * @throws ConfigException if there are fewer micro-batches than executors
     */
    public static void requireEnoughMicroBatches(TrainConfig config) {
        TrainSection train = config.train();
        int executors = config.cluster().executors();
        if (train.microBatches() < executors) {
            String otherwise = executors <= train.globalBatch()
                    ? "train.micro_batch to " + largestMicroBatch(train, executors)
                    : "raise train.global_batch to " + executors + " or more";
            throw new ConfigException(
                    "%d executors would share %d micro-batch(es), so some would idle; lower --executors to %d, or %s",
                    executors, train.microBatches(), train.microBatches(), otherwise);
        }
    }

    /** With which each of so many executors has one, 1 to global_batch of them. */
    private static int largestMicroBatch(TrainSection train, int executors) {
        int sequences = train.globalBatch() / executors;
        while (train.globalBatch() % sequences != 0) {
            sequences--;
        }
        return sequences;
    }
}
