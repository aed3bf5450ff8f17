package dev.kindling.train;

import dev.kindling.config.ModelSection;
import dev.kindling.config.TrainConfig;
import dev.kindling.config.TrainSection;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** What the Spark UI shows of a run's configuration. */
final class MonitorFacts {
    private MonitorFacts() {}

    static Map<String, String> of(TrainConfig config) {
        ModelSection model = config.model();
        TrainSection train = config.train();
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put(
                "Model",
                String.format(
                        Locale.ROOT,
                        "%d layers, %d heads, %d channels, blocks of %d tokens",
                        model.nLayer(),
                        model.nHead(),
                        model.nEmbd(),
                        model.blockSize()));
        facts.put(
                "Batch",
                String.format(
                        Locale.ROOT,
                        "%d sequences a step in micro-batches of %d",
                        train.globalBatch(),
                        train.microBatch()));
        return facts;
    }
}
