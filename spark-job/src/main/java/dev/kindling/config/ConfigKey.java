package dev.kindling.config;

import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A configuration key, as {@link KeyDoc} declares it. Needs no library, so that {@code train --keys} runs from the jar alone.
 *
 * @param section {@code train}
 * @param name within the section: {@code micro_batch}
 * @param type of its values
 * @param defaultValue as written in YAML
 * @param allowed a description of the values that it may have
 * @param doc what it sets
 */
public record ConfigKey(String section, String name, Class<?> type, String defaultValue, String allowed, String doc) {
    /** The sections' records, in the order of the file. */
    static final Map<String, Class<? extends Record>> SECTIONS = sections();

    private static Map<String, Class<? extends Record>> sections() {
        Map<String, Class<? extends Record>> sections = new LinkedHashMap<>();
        sections.put("model", ModelSection.class);
        sections.put("data", DataSection.class);
        sections.put("train", TrainSection.class);
        sections.put("cluster", ClusterSection.class);
        sections.put("checkpoint", CheckpointSection.class);
        return Collections.unmodifiableMap(sections);
    }

    /** All keys, in the order of the file. */
    public static List<ConfigKey> all() {
        List<ConfigKey> keys = new ArrayList<>();
        SECTIONS.keySet().forEach(section -> keys.addAll(of(section)));
        return keys;
    }

    /** The keys of a section, in the order of its record's components. */
    static List<ConfigKey> of(String section) {
        List<ConfigKey> keys = new ArrayList<>();
        for (RecordComponent component : SECTIONS.get(section).getRecordComponents()) {
            KeyDoc key = component.getAnnotation(KeyDoc.class);
            if (key == null) {
                throw new IllegalStateException(
                        String.format(Locale.ROOT, "%s.%s is not declared with @KeyDoc", section, component.getName()));
            }
            keys.add(new ConfigKey(
                    section,
                    snake(component.getName()),
                    component.getType(),
                    key.defaultValue(),
                    key.allowed().isEmpty() ? allowed(component.getType()) : key.allowed(),
                    key.doc()));
        }
        return keys;
    }

    private static String allowed(Class<?> type) {
        if (type.isEnum()) {
            return String.join(" | ", EnumText.of(type));
        }
        return type == boolean.class ? "true | false" : "";
    }

    private static String snake(String camel) {
        return camel.replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT);
    }

    /** The key as {@code --set} takes it: {@code train.micro_batch}. */
    public String path() {
        return section + "." + name;
    }

    /** All keys as a table of aligned columns, a line each, under a line of headings. */
    public static String table() {
        List<String[]> rows = new ArrayList<>();
        rows.add(new String[] {"KEY", "DEFAULT", "ALLOWED", "MEANING"});
        for (ConfigKey key : all()) {
            String initial = key.defaultValue().isEmpty() ? "\"\"" : key.defaultValue();
            rows.add(new String[] {key.path(), initial, key.allowed(), key.doc()});
        }
        int[] widths = new int[3];
        for (String[] row : rows) {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], row[i].length());
            }
        }
        String format = "%-" + widths[0] + "s  %-" + widths[1] + "s  %-" + widths[2] + "s  %s%n";
        StringBuilder table = new StringBuilder();
        for (String[] row : rows) {
            table.append(String.format(Locale.ROOT, format, (Object[]) row));
        }
        return table.toString();
    }
}
