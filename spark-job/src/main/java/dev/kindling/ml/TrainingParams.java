package dev.kindling.ml;

import dev.kindling.config.ConfigKey;
import dev.kindling.config.ConfigOverrides;
import dev.kindling.config.ConfigSource;
import dev.kindling.config.TrainConfig;
import dev.kindling.session.SparkSessions;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.spark.SparkContext;
import org.apache.spark.ml.param.BooleanParam;
import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.LongParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;

/**
 * The keys of a configuration as params: {@code model.n_layer} is {@code nLayer}. Where Spark ML has a name for the same
 * thing, as {@code maxIter}, that is taken.
 */
final class TrainingParams {
    private static final String WORKERS = "cluster.executors";

    private static final Map<String, String> NAMES = Map.of(
            "train.max_steps",
            "maxIter",
            "train.lr",
            "stepSize",
            "train.patience",
            "earlyStoppingRounds",
            WORKERS,
            "numWorkers",
            "checkpoint.interval",
            "checkpointInterval",
            "checkpoint.keep",
            "keepCheckpoints");

    /** What a fit's table says. */
    private static final Set<String> DATA = Set.of("data.corpus", "data.column", "data.table");

    private final Map<String, Param<Object>> byKey = new LinkedHashMap<>();

    /** Those of {@code owner}, with their defaults set. */
    TrainingParams(Params owner) {
        for (ConfigKey key : ConfigKey.all()) {
            if (DATA.contains(key.path())) {
                continue;
            }
            boolean workers = key.path().equals(WORKERS);
            String allowed = key.allowed().isEmpty() ? "" : " (" + key.allowed() + ")";
            String doc = workers
                    ? "executors that train, a rank each; 0: all that the application has (0 or more)"
                    : key.doc() + allowed;
            Param<Object> param = param(owner.uid(), NAMES.getOrDefault(key.path(), camel(key.name())), doc, key);
            byKey.put(key.path(), param);
            owner.setDefault(param, workers ? 0 : value(key));
        }
    }

    @SuppressWarnings("unchecked") // a param of text is one of its values
    private static Param<Object> param(String owner, String name, String doc, ConfigKey key) {
        Class<?> type = key.type();
        if (type == int.class) {
            return new IntParam(owner, name, doc);
        }
        if (type == long.class) {
            return new LongParam(owner, name, doc);
        }
        if (type == double.class) {
            return new DoubleParam(owner, name, doc);
        }
        if (type == boolean.class) {
            return new BooleanParam(owner, name, doc);
        }
        return (Param<Object>) (Param<?>) new Param<>(owner, name, doc, String.class);
    }

    private static Object value(ConfigKey key) {
        Class<?> type = key.type();
        String text = key.defaultValue();
        if (type == int.class) {
            return Integer.valueOf(text);
        }
        if (type == long.class) {
            return Long.valueOf(text);
        }
        if (type == double.class) {
            return Double.valueOf(text);
        }
        return type == boolean.class ? Boolean.valueOf(text) : text;
    }

    private static String camel(String snake) {
        StringBuilder camel = new StringBuilder();
        for (String word : snake.split("_")) {
            camel.append(camel.isEmpty() ? word : word.substring(0, 1).toUpperCase(Locale.ROOT) + word.substring(1));
        }
        return camel.toString();
    }

    List<Param<?>> all() {
        return List.copyOf(byKey.values());
    }

    /** The param of a key of the configuration. */
    Param<Object> of(String key) {
        return byKey.get(key);
    }

    /** The value as the param takes it: callers from Python have one kind of whole numbers. */
    static Object typed(Param<Object> param, Object value) {
        if (value instanceof Number number) {
            if (param instanceof DoubleParam) {
                return number.doubleValue();
            }
            if (param instanceof LongParam) {
                return number.longValue();
            }
        }
        return value;
    }

    /**
     * The configuration that the params describe; what is not set is as {@code location} has it, or by default.
     *
     * @param location of a configuration
     * @throws dev.kindling.config.ConfigException if a value is out of range
     */
    TrainConfig config(Params owner, Optional<String> location, SparkContext spark) throws IOException {
        List<String> entries = new ArrayList<>();
        byKey.forEach((key, param) -> {
            if (owner.isSet(param) && !key.equals(WORKERS)) {
                entries.add(key + "=" + owner.getOrDefault(param));
            }
        });
        ConfigOverrides overrides = new ConfigOverrides(entries, ConfigOverrides.NONE.shortForms());
        TrainConfig asked = location.isPresent()
                ? new ConfigSource(spark.hadoopConfiguration(), TrainConfig.defaults()).load(location.get(), overrides)
                : TrainConfig.defaults().with(overrides);
        int workers = (Integer) owner.getOrDefault(of(WORKERS));
        int ranks = workers > 0
                ? workers
                : Math.min(SparkSessions.executors(spark), asked.train().microBatches());
        return asked.withCluster(cluster -> cluster.withExecutors(ranks));
    }
}
