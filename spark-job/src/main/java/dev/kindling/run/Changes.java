package dev.kindling.run;

import com.fasterxml.jackson.databind.JsonNode;
import dev.kindling.config.TrainConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;

/** What differs between two configurations. */
final class Changes {
    private Changes() {}

    /**
     * The keys that differ among those that {@code counts} names, for people: "model.n_layer is 2, not 4".
     *
     * @return empty if none does
     */
    static Optional<String> between(TrainConfig before, TrainConfig now, Predicate<String> counts) {
        JsonNode changed = now.toTree();
        List<String> changes = new ArrayList<>();
        for (Map.Entry<String, JsonNode> section : before.toTree().properties()) {
            for (Map.Entry<String, JsonNode> entry : section.getValue().properties()) {
                String key = section.getKey() + "." + entry.getKey();
                JsonNode value = changed.path(section.getKey()).path(entry.getKey());
                if (counts.test(key) && !value.equals(entry.getValue())) {
                    changes.add(String.format(
                            Locale.ROOT,
                            "%s is %s, not %s",
                            key,
                            entry.getValue().asText(),
                            value.asText()));
                }
            }
        }
        return changes.isEmpty() ? Optional.empty() : Optional.of(String.join(", ", changes));
    }
}
