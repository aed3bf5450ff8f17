package dev.kindling.config;

import static dev.kindling.config.ConfigException.check;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * A configuration as a tree of sections and keys, between YAML and the records of {@link TrainConfig}. The records are
 * the schema: a section's keys are its components in snake case, and a key that is absent takes its default.
 */
final class ConfigTree {
    private static final YAMLMapper YAML = YAMLMapper.builder()
            .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
            .disable(YAMLGenerator.Feature.WRITE_DOC_START_MARKER)
            .enable(YAMLGenerator.Feature.MINIMIZE_QUOTES)
            .enable(YAMLGenerator.Feature.ALWAYS_QUOTE_NUMBERS_AS_STRINGS)
            .build();

    private final ObjectNode root;
    private final String origin;

    ConfigTree(JsonNode tree, String origin) {
        this.origin = origin;
        this.root = JsonNodeFactory.instance.objectNode();
        if (tree.isMissingNode() || tree.isNull()) {
            return;
        }
        check(tree.isObject(), "%s holds no sections; write model:, data:, train:, cluster: or checkpoint:", origin);
        for (Map.Entry<String, JsonNode> section : tree.properties()) {
            check(
                    sections().containsKey(section.getKey()),
                    "%s: unknown section '%s'; did you mean '%s'?",
                    origin,
                    section.getKey(),
                    NearestName.of(section.getKey(), sections().keySet()).orElseThrow());
            check(
                    section.getValue().isObject() || section.getValue().isNull(),
                    "%s: section '%s' must hold keys, not one value",
                    origin,
                    section.getKey());
            for (Map.Entry<String, JsonNode> key : section.getValue().properties()) {
                set(section.getKey() + "." + key.getKey(), key.getValue());
            }
        }
    }

    static ConfigTree parse(String yaml, String origin) {
        try {
            return new ConfigTree(YAML.readTree(yaml), origin);
        } catch (JsonProcessingException e) {
            String reason = e.getOriginalMessage().lines().findFirst().orElse("unreadable");
            int line = e.getLocation() == null ? 0 : e.getLocation().getLineNr();
            throw new ConfigException(
                    String.format(
                            Locale.ROOT, "%s is not valid YAML at line %d: %s; correct the file", origin, line, reason),
                    e);
        }
    }

    static ObjectNode of(TrainConfig config) {
        ObjectNode tree = JsonNodeFactory.instance.objectNode();
        sections().forEach((name, section) -> {
            ObjectNode keys = tree.putObject(name);
            Object record = get(section, config);
            for (RecordComponent component : section.getType().getRecordComponents()) {
                Object value = get(component, record);
                keys.set(snake(component.getName()), scalar(value));
            }
        });
        return tree;
    }

    static String toYaml(ObjectNode tree) {
        try {
            return YAML.writeValueAsString(tree);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a configuration tree could not be written as YAML", e);
        }
    }

    /** Sets keys that the tree does not have, given as for {@link #override}. */
    ConfigTree underlay(List<String> defaults) {
        for (String entry : defaults) {
            String[] path = entry.substring(0, entry.indexOf('=')).split("\\.", 2);
            if (root.path(path[0]).path(path[1]).isMissingNode()) {
                override(List.of(entry));
            }
        }
        return this;
    }

    ConfigTree override(List<String> overrides) {
        for (String override : overrides) {
            int equals = override.indexOf('=');
            check(
                    equals > 0,
                    "--set %s is not of the form section.key=value; write for example --set train.lr=1e-3",
                    override);
            set(
                    override.substring(0, equals).strip(),
                    scalar(override.substring(equals + 1).strip()));
        }
        return this;
    }

    TrainConfig bind() {
        RecordComponent[] components = TrainConfig.class.getRecordComponents();
        Object[] sections = new Object[components.length];
        for (int i = 0; i < components.length; i++) {
            sections[i] = bindSection(components[i]);
        }
        return (TrainConfig) construct(TrainConfig.class, sections);
    }

    private Object bindSection(RecordComponent section) {
        Object defaults = get(section, TrainConfig.defaults());
        JsonNode keys = root.path(section.getName());
        RecordComponent[] components = section.getType().getRecordComponents();
        Object[] values = new Object[components.length];
        for (int i = 0; i < components.length; i++) {
            String key = snake(components[i].getName());
            JsonNode node = keys.get(key);
            values[i] = node == null
                    ? get(components[i], defaults)
                    : ConfigValue.parse(section.getName() + "." + key, node, components[i].getType());
        }
        return construct(section.getType(), values);
    }

    private void set(String key, JsonNode value) {
        Set<String> known = keys();
        check(known.contains(key), "%s: unknown key '%s'; did you mean '%s'?", origin, key, nearestKey(key, known));
        int dot = key.indexOf('.');
        root.withObjectProperty(key.substring(0, dot)).set(key.substring(dot + 1), value);
    }

    /** A key in the wrong section, or without one, is nearer to its own name than to a neighbour's. */
    private static String nearestKey(String key, Set<String> known) {
        String last = key.substring(key.lastIndexOf('.') + 1);
        return known.stream()
                .filter(candidate -> candidate.endsWith("." + last))
                .findFirst()
                .or(() -> NearestName.of(key, known))
                .orElseThrow();
    }

    private static Set<String> keys() {
        Set<String> keys = new TreeSet<>();
        sections()
                .forEach((name, section) -> Arrays.stream(section.getType().getRecordComponents())
                        .forEach(component -> keys.add(name + "." + snake(component.getName()))));
        return keys;
    }

    private static Map<String, RecordComponent> sections() {
        Map<String, RecordComponent> sections = new LinkedHashMap<>();
        for (RecordComponent component : TrainConfig.class.getRecordComponents()) {
            sections.put(component.getName(), component);
        }
        return sections;
    }

    private static JsonNode scalar(Object value) {
        if (value instanceof Enum<?> choice) {
            return JsonNodeFactory.instance.textNode(choice.name().toLowerCase(Locale.ROOT));
        }
        return YAML.valueToTree(value);
    }

    private static String snake(String camel) {
        return camel.replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT);
    }

    private static Object get(RecordComponent component, Object record) {
        try {
            return component.getAccessor().invoke(record);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("cannot read configuration key " + component.getName(), e);
        }
    }

    private static Object construct(Class<?> record, Object[] values) {
        List<Class<?>> types = new ArrayList<>();
        for (RecordComponent component : record.getRecordComponents()) {
            types.add(component.getType());
        }
        try {
            return record.getDeclaredConstructor(types.toArray(Class<?>[]::new)).newInstance(values);
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof ConfigException invalid) {
                throw invalid;
            }
            throw new IllegalStateException("cannot build configuration section " + record.getSimpleName(), e);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("cannot build configuration section " + record.getSimpleName(), e);
        }
    }
}
