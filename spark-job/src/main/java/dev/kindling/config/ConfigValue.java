package dev.kindling.config;

import static dev.kindling.config.ConfigException.check;

import com.fasterxml.jackson.databind.JsonNode;

/** One value of a configuration, from YAML or --set, as the type of its record component. */
final class ConfigValue {
    private ConfigValue() {}

    /**
     * Parses by the text of the scalar, so that {@code 1e-3}, which YAML reads as a string, is a number where a number
     * belongs.
     */
    static Object parse(String key, JsonNode node, Class<?> type) {
        check(node.isValueNode() && !node.isNull(), "%s holds no single value; give it %s", key, kind(type));
        String text = node.asText();
        try {
            if (type == int.class) {
                return Integer.parseInt(digits(text));
            } else if (type == long.class) {
                return Long.parseLong(digits(text));
            } else if (type == double.class) {
                return Double.parseDouble(digits(text));
            } else if (type == boolean.class) {
                check(text.equals("true") || text.equals("false"), "%s is '%s'; set it to true or false", key, text);
                return text.equals("true");
            } else if (type.isEnum()) {
                return EnumText.parse(text, type)
                        .orElseThrow(() -> new ConfigException(EnumText.refusal(key, text, type)));
            }
            return text;
        } catch (NumberFormatException e) {
            throw new ConfigException(e, "%s is '%s', but it must be %s", key, text, kind(type));
        }
    }

    /** Without the underscores of 1_000, which YAML and Python allow between digits. */
    private static String digits(String number) {
        return number.replaceAll("(?<=\\d)_(?=\\d)", "");
    }

    private static String kind(Class<?> type) {
        if (type == int.class || type == long.class) {
            return "a whole number" + (type == int.class ? " below 2^31" : "");
        } else if (type == double.class) {
            return "a number";
        } else if (type == boolean.class) {
            return "true or false";
        } else if (type.isEnum()) {
            return "one of " + String.join(", ", EnumText.of(type));
        }
        return "a text";
    }
}
