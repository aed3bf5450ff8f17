package dev.kindling.config;

import static dev.kindling.config.ConfigException.check;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.JsonTokenId;
import com.fasterxml.jackson.core.util.JsonParserDelegate;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.yaml.snakeyaml.error.MarkedYAMLException;

/**
 * A configuration as a tree of sections and keys, between YAML and the records of {@link TrainConfig}. The records are
 * the schema, see {@link ConfigKey}; a key that is absent takes its default.
 */
final class ConfigTree {
    private static final YAMLMapper YAML = YAMLMapper.builder()
            .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
            .disable(YAMLGenerator.Feature.WRITE_DOC_START_MARKER)
            .enable(YAMLGenerator.Feature.MINIMIZE_QUOTES)
            .enable(YAMLGenerator.Feature.ALWAYS_QUOTE_NUMBERS_AS_STRINGS)
            .build();

    private final ObjectNode root = JsonNodeFactory.instance.objectNode();

    ConfigTree(JsonNode tree, String origin) {
        if (tree.isMissingNode() || tree.isNull()) {
            return;
        }
        check(tree.isObject(), "%s holds no sections; write model:, data:, train:, cluster: or checkpoint:", origin);
        Set<String> sections = ConfigKey.SECTIONS.keySet();
        for (Map.Entry<String, JsonNode> section : tree.properties()) {
            check(
                    sections.contains(section.getKey()),
                    "%s: unknown section '%s'; did you mean '%s'?",
                    origin,
                    section.getKey(),
                    NearestName.of(section.getKey(), sections).orElseThrow());
            check(
                    section.getValue().isObject() || section.getValue().isNull(),
                    "%s: section '%s' must hold keys, not one value",
                    origin,
                    section.getKey());
            for (Map.Entry<String, JsonNode> key : section.getValue().properties()) {
                set(section.getKey() + "." + key.getKey(), key.getValue(), origin);
            }
        }
    }

    static ConfigTree parse(String yaml, String origin) {
        try (JsonParser parser = new Texts(YAML.createParser(yaml))) {
            JsonNode document = YAML.readTree(parser);
            check(
                    parser.nextToken() == null,
                    "%s holds a second YAML document, at line %d, which would be ignored; keep one, without --- between",
                    origin,
                    parser.currentTokenLocation().getLineNr());
            return new ConfigTree(document == null ? MissingNode.getInstance() : document, origin);
        } catch (JsonProcessingException e) {
            throw notYaml(e, origin);
        } catch (IOException e) {
            throw new IllegalStateException("a text that is in memory could not be read", e);
        }
    }

    private static ConfigException notYaml(JsonProcessingException e, String origin) {
        String reason = e.getOriginalMessage().lines().findFirst().orElse("unreadable");
        int line = e.getLocation() == null ? 0 : e.getLocation().getLineNr();
        // Of the parser's two places the one where it met the problem, not where what it was reading began.
        if (e.getCause() instanceof MarkedYAMLException parser && parser.getProblemMark() != null) {
            reason = parser.getProblem();
            line = parser.getProblemMark().getLine() + 1;
        }
        return new ConfigException(e, "%s is not valid YAML at line %d: %s; correct the file", origin, line, reason);
    }

    /** Numbers are read by their text, as {@code --set} reads them: 010 is ten, and a folder called 1.10 is not 1.1. */
    private static final class Texts extends JsonParserDelegate {
        Texts(JsonParser parser) {
            super(parser);
        }

        @Override
        public JsonToken nextToken() throws IOException {
            super.nextToken();
            return currentToken();
        }

        @Override
        public JsonToken currentToken() {
            JsonToken token = super.currentToken();
            return token != null && token.isNumeric() ? JsonToken.VALUE_STRING : token;
        }

        @Override
        public int currentTokenId() {
            JsonToken token = currentToken();
            return token == null ? JsonTokenId.ID_NO_TOKEN : token.id();
        }
    }

    static ObjectNode of(TrainConfig config) {
        ObjectNode tree = JsonNodeFactory.instance.objectNode();
        for (RecordComponent section : TrainConfig.class.getRecordComponents()) {
            ObjectNode values = tree.putObject(section.getName());
            Object record = get(section, config);
            List<ConfigKey> keys = ConfigKey.of(section.getName());
            for (int i = 0; i < keys.size(); i++) {
                Object value = get(section.getType().getRecordComponents()[i], record);
                values.set(
                        keys.get(i).name(),
                        value instanceof Enum<?> choice
                                ? TextNode.valueOf(EnumText.of(choice))
                                : YAML.valueToTree(value));
            }
        }
        return tree;
    }

    static String toYaml(ObjectNode tree) {
        try {
            return YAML.writeValueAsString(tree);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a configuration tree could not be written as YAML", e);
        }
    }

    /** Lays another tree over this one: its keys win. */
    ConfigTree overlay(ConfigTree upper) {
        for (Map.Entry<String, JsonNode> section : upper.root.properties()) {
            root.withObjectProperty(section.getKey()).setAll((ObjectNode) section.getValue());
        }
        return this;
    }

    /** @param entries {@code section.key=value}, in order */
    ConfigTree set(List<String> entries) {
        for (String entry : entries) {
            int equals = entry.indexOf('=');
            check(
                    equals > 0,
                    "--set %s is not of the form section.key=value; write for example --set train.lr=1e-3",
                    entry);
            set(
                    entry.substring(0, equals).strip(),
                    TextNode.valueOf(entry.substring(equals + 1).strip()),
                    "--set " + entry);
        }
        return this;
    }

    /** @param source that gives the value, for the error message */
    private void set(String key, JsonNode value, String source) {
        Set<String> known = new TreeSet<>();
        ConfigKey.all().forEach(each -> known.add(each.path()));
        check(known.contains(key), "%s: unknown key '%s'; did you mean '%s'?", source, key, nearestKey(key, known));
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

    /** The configuration of this tree, with the short forms of cluster keys over it. */
    TrainConfig bind(ConfigOverrides.ShortForms shortForms) {
        return new TrainConfig(
                section("model", ModelSection.class),
                section("data", DataSection.class),
                section("train", TrainSection.class),
                shortForms.applyTo(section("cluster", ClusterSection.class)),
                section("checkpoint", CheckpointSection.class));
    }

    private <R extends Record> R section(String name, Class<R> record) {
        List<ConfigKey> keys = ConfigKey.of(name);
        Class<?>[] types = new Class<?>[keys.size()];
        Object[] values = new Object[keys.size()];
        for (int i = 0; i < values.length; i++) {
            ConfigKey key = keys.get(i);
            JsonNode node = root.path(name).get(key.name());
            types[i] = key.type();
            values[i] = ConfigValue.parse(
                    key.path(), node == null ? TextNode.valueOf(key.defaultValue()) : node, key.type());
        }
        try {
            Constructor<R> constructor = record.getDeclaredConstructor(types);
            return constructor.newInstance(values);
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof ConfigException invalid) {
                throw invalid;
            }
            throw new IllegalStateException("cannot build configuration section " + name, e);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("cannot build configuration section " + name, e);
        }
    }

    private static Object get(RecordComponent component, Object record) {
        try {
            return component.getAccessor().invoke(record);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("cannot read configuration key " + component.getName(), e);
        }
    }
}
