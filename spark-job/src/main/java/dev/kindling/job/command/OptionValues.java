package dev.kindling.job.command;

import dev.kindling.config.ConfigException;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What options say: one of a few things, or a number that may be left out. */
final class OptionValues {
    private OptionValues() {}

    /** @throws ConfigException naming the choices, if {@code value} is none of them */
    static <E extends Enum<E>> E of(String option, String value, Class<E> type) {
        for (E constant : type.getEnumConstants()) {
            if (name(constant).equals(value)) {
                return constant;
            }
        }
        throw new ConfigException("%s is '%s'; it may be %s"
                .formatted(
                        option,
                        value,
                        Stream.of(type.getEnumConstants())
                                .map(OptionValues::name)
                                .collect(Collectors.joining(", "))));
    }

    /** @throws ConfigException if a number was given, and is less than 1 */
    static OptionalInt atLeastOne(String option, Integer value) {
        if (value != null && value < 1) {
            throw new ConfigException("%s is %d; set it to 1 or more".formatted(option, value));
        }
        return value == null ? OptionalInt.empty() : OptionalInt.of(value);
    }

    private static String name(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }
}
